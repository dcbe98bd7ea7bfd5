import type { AccountId } from "../../model/ids.ts";
import type { Clock } from "../../ports/clock.ts";
import type { IamPolicy, IamPolicyVersion, IamRole, IamTable } from "../../ports/iam-entities.ts";
import { invalid, type QueryInput } from "../aws/query-input.ts";
import { members, type QueryOperation, type XmlElements } from "../aws/query-service.ts";
import { alreadyExists, deleteConflict, limitExceeded, noSuchEntity } from "./iam-errors.ts";
import {
  descriptionIn,
  documentIn,
  newId,
  POLICY_NAME,
  pageOf,
  pathIn,
  shownTags,
  shownTime,
  withoutTags,
  withTags,
} from "./iam-input.ts";
import { POLICY_ARN, policyArn, policyNamed } from "./policy-arn.ts";

/** Of an account that never asked for more. */
const POLICIES_MAX = 1500;
const VERSIONS_MAX = 5;

export type PolicyOperationsOptions = {
  readonly policies: IamTable<IamPolicy>;
  readonly roles: Pick<IamTable<IamRole>, "list">;
  readonly clock: Clock;
};

/** What can be done with policies of one's own. */
export function policyOperations({ policies, roles, clock }: PolicyOperationsOptions): Record<string, QueryOperation> {
  const policyOf = (input: QueryInput, accountId: AccountId): IamPolicy => {
    const arn = input.required("PolicyArn", POLICY_ARN);
    return policyNamed(arn, accountId, policies) ?? missing(arn);
  };
  /** Changes a policy that is there. */
  const change = async (input: QueryInput, accountId: AccountId, to: (policy: IamPolicy) => Partial<IamPolicy>) => {
    const { name } = policyOf(input, accountId);
    const updatedMs = clock.nowMs();
    const arn = input.required("PolicyArn");
    await policies.change(accountId, name, (policy = missing(arn)) => ({ ...policy, updatedMs, ...to(policy) }));
  };
  const shown = (policy: IamPolicy): XmlElements => {
    const arn = policyArn(policy);
    const all = roles.list(policy.accountId);
    return {
      ...shownPolicy(policy),
      AttachmentCount: all.filter(({ attached }) => attached.includes(arn)).length,
      PermissionsBoundaryUsageCount: all.filter(({ permissionsBoundary }) => permissionsBoundary === arn).length,
    };
  };

  return {
    CreatePolicy: async (input, accountId) => {
      const name = input.required("PolicyName", POLICY_NAME);
      const nowMs = clock.nowMs();
      const made: IamPolicy = {
        accountId,
        name,
        id: newId("ANPA"),
        path: pathIn(input),
        description: descriptionIn(input),
        tags: withTags({}, input.tags("Tags")),
        versions: [{ number: 1, document: documentIn(input, "PolicyDocument"), createdMs: nowMs }],
        defaultVersion: 1,
        lastVersion: 1,
        createdMs: nowMs,
        updatedMs: nowMs,
      };
      await policies.change(accountId, name, (policy) => {
        if (policy !== undefined) throw alreadyExists(`A policy called ${name}`);
        if (policies.list(accountId).length >= POLICIES_MAX) {
          throw limitExceeded(`Cannot exceed quota for PoliciesPerAccount: ${POLICIES_MAX}`);
        }
        return made;
      });
      return { Policy: shown(made) };
    },
    GetPolicy: (input, accountId) => ({ Policy: shown(policyOf(input, accountId)) }),
    ListPolicies: (input, accountId) => {
      const { page, more } = pageOf(policies.list(accountId), ({ name }) => name, input);
      return { Policies: members(page.map(shown)), ...more };
    },
    DeletePolicy: async (input, accountId) => {
      const { name } = policyOf(input, accountId);
      const arn = input.required("PolicyArn");
      await policies.change(accountId, name, (policy = missing(arn)) => {
        if (roles.list(accountId).some(({ attached }) => attached.includes(arn))) {
          throw deleteConflict("Cannot delete a policy attached to entities.");
        }
        if (policy.versions.length > 1) {
          throw deleteConflict(
            "This policy has more than one version. Before you delete a policy, you must delete the policy's versions.",
          );
        }
        return undefined;
      });
      return undefined;
    },

    CreatePolicyVersion: async (input, accountId) => {
      const document = documentIn(input, "PolicyDocument");
      const createdMs = clock.nowMs();
      const isDefault = input.text("SetAsDefault") === "true";
      await change(input, accountId, ({ versions, lastVersion, defaultVersion }) => {
        if (versions.length >= VERSIONS_MAX) {
          throw limitExceeded(
            `A managed policy can have up to ${VERSIONS_MAX} versions. Before you create a new version, you must delete an existing version.`,
          );
        }
        const number = lastVersion + 1;
        return {
          versions: [...versions, { number, document, createdMs }],
          lastVersion: number,
          defaultVersion: isDefault ? number : defaultVersion,
        };
      });
      const policy = policyOf(input, accountId);
      return { PolicyVersion: shownVersion(policy.versions.at(-1) as IamPolicyVersion, policy, false) };
    },
    GetPolicyVersion: (input, accountId) => {
      const policy = policyOf(input, accountId);
      return { PolicyVersion: shownVersion(versionOf(policy, input), policy, true) };
    },
    ListPolicyVersions: (input, accountId) => {
      const policy = policyOf(input, accountId);
      const all = policy.versions.toReversed().map((version) => shownVersion(version, policy, false));
      return { Versions: members(all), IsTruncated: false };
    },
    SetDefaultPolicyVersion: async (input, accountId) => {
      await change(input, accountId, (policy) => ({ defaultVersion: versionOf(policy, input).number }));
      return undefined;
    },
    DeletePolicyVersion: async (input, accountId) => {
      await change(input, accountId, (policy) => {
        const { number } = versionOf(policy, input);
        if (number === policy.defaultVersion) throw deleteConflict("Cannot delete the default version of a policy.");
        return { versions: policy.versions.filter((version) => version.number !== number) };
      });
      return undefined;
    },

    TagPolicy: async (input, accountId) => {
      const added = input.tags("Tags");
      await change(input, accountId, ({ tags }) => ({ tags: withTags(tags, added) }));
      return undefined;
    },
    UntagPolicy: async (input, accountId) => {
      const keys = input.texts("TagKeys");
      await change(input, accountId, ({ tags }) => ({ tags: withoutTags(tags, keys) }));
      return undefined;
    },
    ListPolicyTags: (input, accountId) => ({ Tags: shownTags(policyOf(input, accountId).tags), IsTruncated: false }),
  };
}

function missing(arn: string): never {
  throw noSuchEntity(`Policy ${arn}`);
}

function versionOf(policy: IamPolicy, input: QueryInput): IamPolicyVersion {
  const text = input.required("VersionId");
  const number = Number(/^v(\d{1,9})$/.exec(text)?.[1]);
  if (Number.isNaN(number)) throw invalid("VersionId must be v and a number.");
  const version = policy.versions.find((each) => each.number === number);
  if (version === undefined) throw noSuchEntity(`Policy ${policyArn(policy)} version ${text}`);
  return version;
}

function shownPolicy(policy: IamPolicy): XmlElements {
  const { name, id, path, description, tags, defaultVersion, createdMs, updatedMs } = policy;
  return {
    PolicyName: name,
    PolicyId: id,
    Arn: policyArn(policy),
    Path: path,
    DefaultVersionId: `v${defaultVersion}`,
    IsAttachable: true,
    Description: description,
    CreateDate: shownTime(createdMs),
    UpdateDate: shownTime(updatedMs),
    Tags: shownTags(tags),
  };
}

function shownVersion(
  { number, document, createdMs }: IamPolicyVersion,
  policy: IamPolicy,
  hasDocument: boolean,
): XmlElements {
  return {
    VersionId: `v${number}`,
    IsDefaultVersion: number === policy.defaultVersion,
    CreateDate: shownTime(createdMs),
    Document: hasDocument ? encodeURIComponent(document) : undefined,
  };
}
