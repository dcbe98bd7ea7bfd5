import { expect, test } from "vitest";
import type { AccountId } from "../../model/ids.ts";
import type { IamPolicy, IamRole } from "../../ports/iam-entities.ts";
import { openIamTable } from "../../server/iam/iam-table.ts";
import { createMemoryRecordTable } from "../../store/memory/record-table.ts";
import { QueryInput } from "../aws/query-input.ts";
import { iamService } from "./iam-service.ts";

const alice = "000000000001" as AccountId;
const bob = "000000000002" as AccountId;
const DOCUMENT = '{"Version":"2012-10-17","Statement":[]}';
const BASIC = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole";
const clock = { nowMs: () => Date.UTC(2026, 10, 30, 12), monotonicMs: () => 0 };

async function opened() {
  const tables = { roles: createMemoryRecordTable<IamRole>(), policies: createMemoryRecordTable<IamPolicy>() };
  const restart = async () => {
    const [roles, policies] = [await openIamTable(tables.roles), await openIamTable(tables.policies)];
    const { operations } = iamService({ roles, policies, clock });
    const ask = async (action: string, input: Record<string, string>, accountId = alice) => {
      const body = Buffer.from(new URLSearchParams(input).toString());
      // As it goes over the wire, where members that are undefined are not.
      return JSON.parse(JSON.stringify((await operations[action]?.(new QueryInput(body), accountId)) ?? {}));
    };
    const refused = (action: string, input: Record<string, string>, accountId = alice) =>
      ask(action, input, accountId).then(
        () => expect.fail(`${action} was answered`),
        ({ type, status }) => [status, type],
      );
    return { ask, refused };
  };
  return { ...(await restart()), restart };
}

const role = (more: Record<string, string> = {}) => ({ RoleName: "r", ...more });
const made = role({ AssumeRolePolicyDocument: DOCUMENT, "Tags.member.1.Key": "team", "Tags.member.1.Value": "a" });

test("a role is what it was made, of its account only, after a restart too", async () => {
  const { ask, refused, restart } = await opened();
  const { Role } = await ask("CreateRole", { ...made, Path: "/service/" });
  expect(Role).toEqual({
    Path: "/service/",
    RoleName: "r",
    RoleId: expect.stringMatching(/^AROA[A-Z2-7]{17}$/),
    Arn: `arn:aws:iam::${alice}:role/service/r`,
    CreateDate: "2026-11-30T12:00:00Z",
    AssumeRolePolicyDocument: encodeURIComponent(DOCUMENT),
    MaxSessionDuration: 3600,
    Tags: { member: [{ Key: "team", Value: "a" }] },
    RoleLastUsed: {},
  });
  expect(await refused("CreateRole", made)).toEqual([409, "EntityAlreadyExists"]);
  expect(await refused("GetRole", role(), bob)).toEqual([404, "NoSuchEntity"]);
  const later = await restart();
  expect(await later.ask("GetRole", role())).toEqual({ Role });
  await later.ask("DeleteRole", role());
  expect(await later.refused("DeleteRole", role())).toEqual([404, "NoSuchEntity"]);
  expect(await (await restart()).ask("ListRoles", {})).toEqual({ Roles: {}, IsTruncated: false });
});

test("a role is changed in every part", async () => {
  const { ask } = await opened();
  await ask("CreateRole", made);
  await ask("UpdateRole", role({ Description: "new", MaxSessionDuration: "7200" }));
  await ask("UpdateAssumeRolePolicy", role({ PolicyDocument: '{"a":1}' }));
  await ask("TagRole", role({ "Tags.member.1.Key": "stage", "Tags.member.1.Value": "x" }));
  await ask("UntagRole", role({ "TagKeys.member.1": "team" }));
  await ask("PutRolePermissionsBoundary", role({ PermissionsBoundary: BASIC }));
  expect((await ask("GetRole", role())).Role).toMatchObject({
    Description: "new",
    MaxSessionDuration: 7200,
    AssumeRolePolicyDocument: encodeURIComponent('{"a":1}'),
    Tags: { member: [{ Key: "stage", Value: "x" }] },
    PermissionsBoundary: { PermissionsBoundaryArn: BASIC },
  });
});

test("policies hang on a role, and must be off it before it goes", async () => {
  const { ask, refused } = await opened();
  await ask("CreateRole", made);
  const { Policy } = await ask("CreatePolicy", { PolicyName: "p", PolicyDocument: DOCUMENT });
  const own = { PolicyArn: Policy.Arn };
  for (const arn of [BASIC, Policy.Arn, Policy.Arn]) await ask("AttachRolePolicy", role({ PolicyArn: arn }));
  const one = await ask("ListAttachedRolePolicies", role({ MaxItems: "1" }));
  expect(one).toMatchObject({ AttachedPolicies: { member: [{ PolicyName: "p" }] }, IsTruncated: true });
  expect(await ask("ListAttachedRolePolicies", role({ Marker: one.Marker }))).toEqual({
    AttachedPolicies: { member: [{ PolicyName: "AWSLambdaBasicExecutionRole", PolicyArn: BASIC }] },
    IsTruncated: false,
  });
  expect((await ask("GetPolicy", own)).Policy.AttachmentCount).toBe(1);
  expect(await refused("DeletePolicy", own)).toEqual([409, "DeleteConflict"]);
  const foreign = role({ PolicyArn: `arn:aws:iam::${bob}:policy/p` });
  expect(await refused("AttachRolePolicy", foreign)).toEqual([404, "NoSuchEntity"]);

  const inline = role({ PolicyName: "in" });
  await ask("PutRolePolicy", { ...inline, PolicyDocument: DOCUMENT });
  expect((await ask("GetRolePolicy", inline)).PolicyDocument).toBe(encodeURIComponent(DOCUMENT));
  expect(await ask("ListRolePolicies", role())).toEqual({ PolicyNames: { member: ["in"] }, IsTruncated: false });
  expect(await refused("DeleteRole", role())).toEqual([409, "DeleteConflict"]);
  for (const arn of [BASIC, Policy.Arn]) await ask("DetachRolePolicy", role({ PolicyArn: arn }));
  expect(await refused("DetachRolePolicy", role({ PolicyArn: BASIC }))).toEqual([404, "NoSuchEntity"]);
  expect(await refused("DeleteRole", role())).toEqual([409, "DeleteConflict"]);
  await ask("DeleteRolePolicy", inline);
  expect(await refused("GetRolePolicy", role({ PolicyName: "toString" }))).toEqual([404, "NoSuchEntity"]);
  expect(await ask("ListInstanceProfilesForRole", role())).toEqual({ InstanceProfiles: {}, IsTruncated: false });
  await ask("DeleteRole", role());
  await ask("DeletePolicy", own);
  expect(await refused("GetPolicy", own)).toEqual([404, "NoSuchEntity"]);
});

test("a policy has five versions at most, one of them in force", async () => {
  const { ask, refused } = await opened();
  const { Policy } = await ask("CreatePolicy", { PolicyName: "p", PolicyDocument: DOCUMENT });
  const own = { PolicyArn: Policy.Arn };
  const version = (text: string) => ({ ...own, VersionId: text });
  for (const n of [2, 3, 4, 5]) {
    const input = { ...own, PolicyDocument: `{"n":${n}}`, SetAsDefault: String(n === 2) };
    expect(await ask("CreatePolicyVersion", input)).toMatchObject({ PolicyVersion: { VersionId: `v${n}` } });
  }
  expect(await refused("CreatePolicyVersion", { ...own, PolicyDocument: "{}" })).toEqual([409, "LimitExceeded"]);
  expect((await ask("GetPolicy", own)).Policy.DefaultVersionId).toBe("v2");
  expect(await refused("DeletePolicyVersion", version("v2"))).toEqual([409, "DeleteConflict"]);
  await ask("SetDefaultPolicyVersion", version("v5"));
  await ask("DeletePolicyVersion", version("v2"));
  expect((await ask("GetPolicyVersion", version("v5"))).PolicyVersion).toMatchObject({
    Document: encodeURIComponent('{"n":5}'),
    IsDefaultVersion: true,
  });
  expect(await refused("GetPolicyVersion", version("v2"))).toEqual([404, "NoSuchEntity"]);
  await ask("CreatePolicyVersion", { ...own, PolicyDocument: "{}" });
  const { Versions } = await ask("ListPolicyVersions", own);
  const shown = Versions.member.map(({ VersionId }: { VersionId: string }) => VersionId);
  expect(shown).toEqual(["v6", "v5", "v4", "v3", "v1"]);
});

test.each([
  ["CreateRole", { RoleName: "no spaces", AssumeRolePolicyDocument: DOCUMENT }, "ValidationError"],
  ["CreateRole", { RoleName: "r" }, "ValidationError"],
  ["CreateRole", { RoleName: "r", AssumeRolePolicyDocument: "no json" }, "MalformedPolicyDocument"],
  ["CreateRole", { RoleName: "r", AssumeRolePolicyDocument: "[]" }, "MalformedPolicyDocument"],
  ["CreateRole", { ...made, Path: "relative" }, "ValidationError"],
  ["CreateRole", { ...made, MaxSessionDuration: "1" }, "ValidationError"],
  ["ListRoles", { MaxItems: "0" }, "ValidationError"],
] as const)("%s of %j is refused", async (action, input, type) => {
  const { refused } = await opened();
  expect(await refused(action, input)).toEqual([400, type]);
});
