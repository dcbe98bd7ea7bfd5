import { z } from "zod";
import type { AccountId } from "../../model/ids.ts";
import { LOG_GROUP_NAME } from "../../protocol/log-stream.ts";
import { groupMissing, invalidParameter } from "./log-errors.ts";

/** A log group's name, as CloudWatch allows it. */
export const groupName = z
  .string()
  .regex(LOG_GROUP_NAME, { message: `must satisfy the pattern ${LOG_GROUP_NAME.source}` });

/** How requests name the group that they are about. */
export const namedGroup = z.object({
  logGroupName: groupName.optional(),
  logGroupIdentifier: z.string().max(2048).optional(),
});

/** Names and ARNs of log groups, of one region. */
export class GroupNames {
  readonly #region: string;

  constructor(region: string) {
    this.#region = region;
  }

  /** @throws LambdaError: it names none, or two, or one of another account. */
  of({ logGroupName, logGroupIdentifier }: z.infer<typeof namedGroup>, accountId: AccountId): string {
    if ((logGroupName === undefined) === (logGroupIdentifier === undefined)) {
      throw invalidParameter("Exactly one of logGroupName and logGroupIdentifier must be given.");
    }
    const identifier = logGroupName ?? logGroupIdentifier ?? "";
    if (identifier.startsWith("arn:")) return this.ofArn(identifier, accountId);
    if (!LOG_GROUP_NAME.test(identifier))
      throw invalidParameter(`logGroupIdentifier must satisfy ${LOG_GROUP_NAME.source}`);
    return identifier;
  }

  /** @throws LambdaError: it is no ARN of a log group, or of another account or region. */
  ofArn(arn: string, accountId: AccountId): string {
    const [, region, owner, name] = /^arn:[a-z-]+:logs:([^:]*):(\d{12}):log-group:([^:]+)(?::\*)?$/.exec(arn) ?? [];
    if (name === undefined) throw invalidParameter(`${arn} is not the ARN of a log group.`);
    if (region !== this.#region || owner !== accountId) throw groupMissing();
    return name;
  }

  arnOf(accountId: AccountId, name: string): string {
    return `arn:aws:logs:${this.#region}:${accountId}:log-group:${name}`;
  }
}
