import type { AccountId } from "../../model/ids.ts";
import type { CatalogAnswer } from "../../ports/catalog-answer.ts";
import { UNZIPPED_BYTES_MAX } from "../../ports/code-store.ts";
import { UNRESERVED_CONCURRENCY_MIN } from "../../ports/concurrency-catalog.ts";
import { functionMissing } from "./function-name.ts";
import { conflict, invalidParameter, LambdaError, notFound, preconditionFailed } from "./lambda-error.ts";

/** What a change was about, for the words of its refusal. */
export type ChangeSubject = {
  /** Unqualified. */
  readonly arn: string;
  readonly name: string;
  readonly alias?: string;
  /** Base64, as the caller named it. */
  readonly codeSha256?: string | undefined;
  /** Of executions at a time, as the caller asked for them. */
  readonly count?: number;
};

/** @throws LambdaError for what the catalogue refused. */
export function grantedOf<T>(answer: CatalogAnswer<T>, subject: ChangeSubject): T {
  if (answer.kind === "done") return answer.value;
  const { arn, name, alias } = subject;
  const { why, detail = "" } = answer;
  switch (why) {
    case "exists":
      throw conflict(`Function already exist: ${name}`);
    case "missing":
      throw functionMissing(arn, undefined);
    case "updateInProgress":
      throw conflict(`The operation cannot be performed at this time. An update is in progress for resource: ${arn}`);
    case "revisionMismatch":
      throw preconditionFailed("GetFunction/GetAlias");
    case "codeMismatch":
      throw invalidParameter(
        `CodeSHA256 (${subject.codeSha256}) is different from current CodeSHA256 in $LATEST (${detail}). Please try again with the CodeSHA256 in $LATEST.`,
      );
    case "codeStorageExceeded":
      throw new LambdaError("CodeStorageExceededException", 400, "Code storage limit exceeded.", { Type: "User" });
    case "tooManyTags":
      throw invalidParameter("Number of tags exceeds resource tag limit.");
    case "layersTooLarge":
      throw invalidParameter(`Layers consume more than the available size of ${UNZIPPED_BYTES_MAX} bytes`);
    case "codeWithLayersTooLarge":
      throw invalidParameter(
        `Function code combined with layers exceeds the maximum allowed size of ${UNZIPPED_BYTES_MAX} bytes. The actual size is ${detail} bytes.`,
      );
    case "aliased":
      throw conflict(`Unable to delete version because the following aliases reference it: [${detail}]`);
    case "aliasExists":
      throw conflict(`Alias already exists: ${arn}:${alias}`);
    case "aliasMissing":
      throw notFound(`Alias not found: ${arn}:${alias}`);
    case "versionMissing":
      throw functionMissing(arn, detail);
    case "reservedBelowProvisioned":
      // Two spaces, as AWS has them.
      throw withoutType(
        ` ReservedConcurrentExecutions  ${subject.count} should not be lower than function's total provisioned concurrency [${detail}].`,
      );
    case "unreservedBelowMin":
      throw withoutType(belowMin("ReservedConcurrentExecutions"));
    case "provisionedBelowMin":
      throw withoutType(belowMin("ConcurrentExecutions"));
    case "provisionedAboveUnreserved":
      throw withoutType(
        `Specified ConcurrentExecutions for function is greater than account's unreserved concurrency [${detail}].`,
      );
    case "provisionedAboveReserved":
      throw invalidParameter(
        "Requested Provisioned Concurrency should not be greater than the reservedConcurrentExecution for function",
      );
    case "aliasOfProvisioned":
      throw conflict("Alias can't be used for Provisioned Concurrency configuration on an already Provisioned version");
    case "versionOfProvisionedAlias":
      throw conflict("Version is pointed by a Provisioned Concurrency alias");
    default:
      throw why satisfies never;
  }
}

/** AWS's answers about concurrency carry no member but their message. */
function withoutType(message: string): LambdaError {
  return new LambdaError("InvalidParameterValueException", 400, message);
}

function belowMin(what: string): string {
  return `Specified ${what} for function decreases account's UnreservedConcurrentExecution below its minimum value of [${UNRESERVED_CONCURRENCY_MIN}].`;
}

export function sourceArnOf(region: string, accountId: AccountId, uuid: string): string {
  return `arn:aws:lambda:${region}:${accountId}:event-source-mapping:${uuid}`;
}

export function arnOf(region: string, accountId: AccountId, name: string): string {
  return `arn:aws:lambda:${region}:${accountId}:function:${name}`;
}
