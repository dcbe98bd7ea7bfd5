import { z } from "zod";
import type { AccountId } from "../../model/ids.ts";
import type { LogGroup, LogGroups } from "../../ports/log-groups.ts";
import { type JsonOperation, jsonOperation } from "../aws/json-service.ts";
import { type GroupNames, groupName } from "./group-names.ts";
import { groupExists, groupMissing, invalidParameter } from "./log-errors.ts";

const PAGE_ITEMS_MAX = 50;
const TAGS_MAX = 50;
/** CloudWatch's own. */
const RETENTION_DAYS = [
  1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653,
];

const tags = z.record(z.string().min(1).max(128), z.string().max(256));
const named = z.object({ logGroupName: groupName });
const tagKeys = z.array(z.string()).min(1).max(TAGS_MAX);

/** What can be done with log groups. */
export function groupOperations(groups: LogGroups, names: GroupNames): Record<string, JsonOperation> {
  const done = async (isThere: Promise<boolean>) => {
    if (!(await isThere)) throw groupMissing();
  };
  const retain = (accountId: AccountId, name: string, retentionDays: number) =>
    done(groups.change(accountId, name, () => ({ retentionDays })));
  const tag = (accountId: AccountId, name: string, added: LogGroup["tags"]) =>
    done(
      groups.change(accountId, name, (group) => {
        const all = { ...group.tags, ...added };
        if (Object.keys(all).length > TAGS_MAX) throw invalidParameter(`A log group has at most ${TAGS_MAX} tags.`);
        return { tags: all };
      }),
    );
  const untag = (accountId: AccountId, name: string, keys: readonly string[]) =>
    done(
      groups.change(accountId, name, (group) => ({
        tags: Object.fromEntries(Object.entries(group.tags).filter(([key]) => !keys.includes(key))),
      })),
    );
  const tagsOf = (accountId: AccountId, name: string) => {
    const group = groups.get(accountId, name);
    if (group === undefined) throw groupMissing();
    return { tags: group.tags };
  };

  return {
    CreateLogGroup: jsonOperation(named.extend({ tags: tags.optional() }), async (input, accountId) => {
      if (!(await groups.create(accountId, input.logGroupName, input.tags ?? {}))) throw groupExists();
    }),
    DeleteLogGroup: jsonOperation(named, ({ logGroupName }, accountId) => done(groups.delete(accountId, logGroupName))),
    DescribeLogGroups: jsonOperation(describeInput, (input, accountId) => {
      const fits = selectionOf(input, accountId, names);
      const after = input.nextToken === undefined ? "" : Buffer.from(input.nextToken, "base64url").toString();
      const found = groups.list(accountId).filter(({ name }) => fits(name) && name > after);
      const page = found.slice(0, input.limit);
      const last = found.length > page.length ? page.at(-1) : undefined;
      return {
        logGroups: page.map((group) => shownGroup(group, names)),
        nextToken: last && Buffer.from(last.name).toString("base64url"),
      };
    }),
    PutRetentionPolicy: jsonOperation(
      named.extend({ retentionInDays: z.number() }),
      ({ logGroupName, retentionInDays: days }, accountId) => {
        if (RETENTION_DAYS.includes(days)) return retain(accountId, logGroupName, days);
        throw invalidParameter(`retentionInDays must be one of ${RETENTION_DAYS.join(", ")}.`);
      },
    ),
    DeleteRetentionPolicy: jsonOperation(named, ({ logGroupName }, accountId) => retain(accountId, logGroupName, 0)),
    TagResource: jsonOperation(z.object({ resourceArn: z.string(), tags }), (input, accountId) =>
      tag(accountId, names.ofArn(input.resourceArn, accountId), input.tags),
    ),
    UntagResource: jsonOperation(z.object({ resourceArn: z.string(), tagKeys }), (input, accountId) =>
      untag(accountId, names.ofArn(input.resourceArn, accountId), input.tagKeys),
    ),
    ListTagsForResource: jsonOperation(z.object({ resourceArn: z.string() }), ({ resourceArn }, accountId) =>
      tagsOf(accountId, names.ofArn(resourceArn, accountId)),
    ),
    TagLogGroup: jsonOperation(named.extend({ tags }), (input, accountId) =>
      tag(accountId, input.logGroupName, input.tags),
    ),
    UntagLogGroup: jsonOperation(named.extend({ tags: tagKeys }), (input, accountId) =>
      untag(accountId, input.logGroupName, input.tags),
    ),
    ListTagsLogGroup: jsonOperation(named, ({ logGroupName }, accountId) => tagsOf(accountId, logGroupName)),
  };
}

const describeInput = z.object({
  logGroupNamePrefix: groupName.optional(),
  logGroupNamePattern: groupName.optional(),
  logGroupIdentifiers: z.array(z.string()).max(PAGE_ITEMS_MAX).optional(),
  nextToken: z.string().optional(),
  limit: z.number().int().min(1).max(PAGE_ITEMS_MAX).default(PAGE_ITEMS_MAX),
});

type Selection = z.infer<typeof describeInput>;

/** Which names are wanted. */
function selectionOf(input: Selection, accountId: AccountId, names: GroupNames): (name: string) => boolean {
  const { logGroupNamePrefix: prefix, logGroupNamePattern: pattern, logGroupIdentifiers: identifiers } = input;
  if (prefix !== undefined && pattern !== undefined) {
    throw invalidParameter("LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.");
  }
  const listed = identifiers?.map((each) => names.of({ logGroupIdentifier: each }, accountId));
  const part = pattern?.toLowerCase();
  return (name) =>
    (prefix === undefined || name.startsWith(prefix)) &&
    (part === undefined || name.toLowerCase().includes(part)) &&
    (listed === undefined || listed.includes(name));
}

function shownGroup({ accountId, name, createdMs, retentionDays }: LogGroup, names: GroupNames) {
  const logGroupArn = names.arnOf(accountId, name);
  return {
    logGroupName: name,
    creationTime: createdMs,
    retentionInDays: retentionDays,
    metricFilterCount: 0,
    arn: `${logGroupArn}:*`,
    logGroupArn,
    logGroupClass: "STANDARD",
  };
}
