import type { AccountId } from "../../model/ids.ts";
import type { Clock } from "../../ports/clock.ts";
import type { IamPolicy, IamRole, IamTable } from "../../ports/iam-entities.ts";
import type { QueryInput } from "../aws/query-input.ts";
import { members, type QueryOperation, type XmlElements } from "../aws/query-service.ts";
import { alreadyExists, deleteConflict, limitExceeded, noSuchEntity } from "./iam-errors.ts";
import {
  descriptionIn,
  documentIn,
  newId,
  POLICY_NAME,
  pageOf,
  pathIn,
  ROLE_NAME,
  shownTags,
  shownTime,
  withoutTags,
  withTags,
} from "./iam-input.ts";
import { POLICY_ARN, policyNamed } from "./policy-arn.ts";

/** Of an account that never asked for more. */
const ROLES_MAX = 1000;
const ATTACHED_MAX = 20;
const INLINE_LENGTH_MAX = 10_240;
const SESSION_S = { min: 3600, max: 43_200 } as const;

export type RoleOperationsOptions = {
  readonly roles: IamTable<IamRole>;
  readonly policies: Pick<IamTable<IamPolicy>, "get">;
  readonly clock: Clock;
};

/** What can be done with roles. */
export function roleOperations({ roles, policies, clock }: RoleOperationsOptions): Record<string, QueryOperation> {
  const roleOf = (input: QueryInput, accountId: AccountId): IamRole => {
    const name = input.required("RoleName", ROLE_NAME);
    return roles.get(accountId, name) ?? missing(name);
  };
  /** Changes a role that is there. */
  const change = async (input: QueryInput, accountId: AccountId, to: (role: IamRole) => Partial<IamRole>) => {
    const name = input.required("RoleName", ROLE_NAME);
    await roles.change(accountId, name, (role = missing(name)) => ({ ...role, ...to(role) }));
  };

  return {
    CreateRole: async (input, accountId) => {
      const name = input.required("RoleName", ROLE_NAME);
      const made: IamRole = {
        accountId,
        name,
        id: newId("AROA"),
        path: pathIn(input),
        trustPolicy: documentIn(input, "AssumeRolePolicyDocument"),
        description: descriptionIn(input),
        sessionS: sessionIn(input) ?? SESSION_S.min,
        permissionsBoundary: input.text("PermissionsBoundary"),
        tags: withTags({}, input.tags("Tags")),
        attached: [],
        inline: {},
        createdMs: clock.nowMs(),
      };
      await roles.change(accountId, name, (role) => {
        if (role !== undefined) throw alreadyExists(`Role with name ${name}`);
        if (roles.list(accountId).length >= ROLES_MAX)
          throw limitExceeded(`Cannot exceed quota for RolesPerAccount: ${ROLES_MAX}`);
        return made;
      });
      return { Role: shownRole(made) };
    },
    GetRole: (input, accountId) => ({ Role: shownRole(roleOf(input, accountId)) }),
    ListRoles: (input, accountId) => {
      const prefix = input.text("PathPrefix") ?? "/";
      const { page, more } = pageOf(
        roles.list(accountId).filter(({ path }) => path.startsWith(prefix)),
        nameOf,
        input,
      );
      return { Roles: members(page.map(shownRole)), ...more };
    },
    UpdateRole: async (input, accountId) => {
      const [description, sessionS] = [descriptionIn(input), sessionIn(input)];
      const isDescribed = input.text("Description") !== undefined;
      await change(input, accountId, (role) => ({
        ...(isDescribed ? { description } : {}),
        sessionS: sessionS ?? role.sessionS,
      }));
      return {};
    },
    UpdateRoleDescription: async (input, accountId) => {
      const description = descriptionIn(input);
      await change(input, accountId, () => ({ description }));
      return { Role: shownRole(roleOf(input, accountId)) };
    },
    UpdateAssumeRolePolicy: (input, accountId) => {
      const trustPolicy = documentIn(input, "PolicyDocument");
      return change(input, accountId, () => ({ trustPolicy })).then(done);
    },
    DeleteRole: async (input, accountId) => {
      const name = input.required("RoleName", ROLE_NAME);
      await roles.change(accountId, name, (role = missing(name)) => {
        if (role.attached.length > 0) throw deleteConflict("Cannot delete entity, must detach all policies first.");
        if (Object.keys(role.inline).length > 0)
          throw deleteConflict("Cannot delete entity, must delete policies first.");
        return undefined;
      });
      return undefined;
    },
    PutRolePermissionsBoundary: (input, accountId) => {
      const permissionsBoundary = input.required("PermissionsBoundary", POLICY_ARN);
      return change(input, accountId, () => ({ permissionsBoundary })).then(done);
    },
    DeleteRolePermissionsBoundary: (input, accountId) =>
      change(input, accountId, () => ({ permissionsBoundary: undefined })).then(done),

    TagRole: (input, accountId) => {
      const added = input.tags("Tags");
      return change(input, accountId, ({ tags }) => ({ tags: withTags(tags, added) })).then(done);
    },
    UntagRole: (input, accountId) => {
      const keys = input.texts("TagKeys");
      return change(input, accountId, ({ tags }) => ({ tags: withoutTags(tags, keys) })).then(done);
    },
    ListRoleTags: (input, accountId) => ({ Tags: shownTags(roleOf(input, accountId).tags), IsTruncated: false }),

    AttachRolePolicy: (input, accountId) => {
      const arn = input.required("PolicyArn", POLICY_ARN);
      policyNamed(arn, accountId, policies);
      return change(input, accountId, ({ attached }) => {
        if (attached.includes(arn)) return {};
        if (attached.length >= ATTACHED_MAX)
          throw limitExceeded(`Cannot exceed quota for PoliciesPerRole: ${ATTACHED_MAX}`);
        return { attached: [...attached, arn] };
      }).then(done);
    },
    DetachRolePolicy: (input, accountId) => {
      const arn = input.required("PolicyArn", POLICY_ARN);
      return change(input, accountId, ({ attached }) => {
        if (!attached.includes(arn)) throw noSuchEntity(`Policy ${arn}`);
        return { attached: attached.filter((each) => each !== arn) };
      }).then(done);
    },
    ListAttachedRolePolicies: (input, accountId) => {
      const { attached } = roleOf(input, accountId);
      const { page, more } = pageOf(attached.toSorted(), (arn) => arn, input);
      const shown = page.map((arn) => ({ PolicyName: arn.slice(arn.lastIndexOf("/") + 1), PolicyArn: arn }));
      return { AttachedPolicies: members(shown), ...more };
    },

    PutRolePolicy: (input, accountId) => {
      const name = input.required("PolicyName", POLICY_NAME);
      const document = documentIn(input, "PolicyDocument");
      return change(input, accountId, (role) => {
        const inline = { ...role.inline, [name]: document };
        const length = Object.values(inline).join("").length;
        if (length > INLINE_LENGTH_MAX) {
          throw limitExceeded(`Maximum policy size of ${INLINE_LENGTH_MAX} bytes exceeded for role ${role.name}`);
        }
        return { inline };
      }).then(done);
    },
    GetRolePolicy: (input, accountId) => {
      const role = roleOf(input, accountId);
      const name = input.required("PolicyName", POLICY_NAME);
      return { RoleName: role.name, PolicyName: name, PolicyDocument: encodeURIComponent(inlineOf(role, name)) };
    },
    DeleteRolePolicy: (input, accountId) => {
      const name = input.required("PolicyName", POLICY_NAME);
      return change(input, accountId, (role) => {
        inlineOf(role, name);
        return { inline: Object.fromEntries(Object.entries(role.inline).filter(([each]) => each !== name)) };
      }).then(done);
    },
    ListRolePolicies: (input, accountId) => {
      const names = Object.keys(roleOf(input, accountId).inline).sort();
      const { page, more } = pageOf(names, (name) => name, input);
      return { PolicyNames: members(page), ...more };
    },
    // There are no instance profiles here, so no role is in one.
    ListInstanceProfilesForRole: (input, accountId) => {
      roleOf(input, accountId);
      return { InstanceProfiles: members([]), IsTruncated: false };
    },
  };
}

const done = () => undefined;
const nameOf = ({ name }: IamRole) => name;

function missing(name: string): never {
  throw noSuchEntity(`The role with name ${name}`);
}

function inlineOf({ name: roleName, inline }: IamRole, name: string): string {
  if (!Object.hasOwn(inline, name)) throw noSuchEntity(`The role policy with name ${name} of role ${roleName}`);
  return inline[name] as string;
}

function sessionIn(input: QueryInput): number | undefined {
  return input.number("MaxSessionDuration", SESSION_S.min, SESSION_S.max);
}

function shownRole(role: IamRole): XmlElements {
  const { accountId, name, id, path, trustPolicy, description, sessionS, permissionsBoundary, tags, createdMs } = role;
  return {
    Path: path,
    RoleName: name,
    RoleId: id,
    Arn: `arn:aws:iam::${accountId}:role${path}${name}`,
    CreateDate: shownTime(createdMs),
    AssumeRolePolicyDocument: encodeURIComponent(trustPolicy),
    Description: description,
    MaxSessionDuration: sessionS,
    PermissionsBoundary:
      permissionsBoundary === undefined
        ? undefined
        : { PermissionsBoundaryType: "Policy", PermissionsBoundaryArn: permissionsBoundary },
    Tags: Object.keys(tags).length === 0 ? undefined : shownTags(tags),
    RoleLastUsed: {},
  };
}
