import { z } from "zod";
import { parseDestination } from "../../model/destination.ts";
import { type AccountId, DEFAULT_ACCOUNT_ID } from "../../model/ids.ts";
import type { EventInvokeSettings } from "../../ports/event-invoke-config.ts";
import type { FunctionCatalog } from "../../ports/function-catalog.ts";
import { optional } from "./function-input.ts";
import { invalidParameter } from "./lambda-error.ts";
import type { Violations } from "./violation.ts";

const RETRIES_MAX = 2;
const AGE_S_MIN = 60;
const AGE_S_MAX = 21_600;
const DESTINATION_LENGTH_MAX = 350;
const DESTINATION_PATTERN =
  "$|kafka://([^.]([a-zA-Z0-9\\-_.]{0,248}))|arn:(aws[a-zA-Z0-9-]*):([a-zA-Z0-9\\-])+:((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\\d{1})?:(\\d{12})?:(.*)";

const target = optional(z.object({ Destination: optional(z.string()) }));

export const eventInvokeInput = z.object({
  MaximumRetryAttempts: optional(z.int()),
  MaximumEventAgeInSeconds: optional(z.int()),
  DestinationConfig: optional(z.object({ OnSuccess: target, OnFailure: target })),
});

type EventInvokeInput = z.output<typeof eventInvokeInput>;

/** Adds what a front door refuses by itself. */
export function validateEventInvoke(input: EventInvokeInput, violations: Violations): void {
  violations.range(input.MaximumRetryAttempts, "maximumRetryAttempts", 0, RETRIES_MAX);
  violations.range(input.MaximumEventAgeInSeconds, "maximumEventAgeInSeconds", AGE_S_MIN, AGE_S_MAX);
  const { OnSuccess, OnFailure } = input.DestinationConfig ?? {};
  validateDestination(OnFailure?.Destination, "destinationConfig.onFailure.destination", violations);
  validateDestination(OnSuccess?.Destination, "destinationConfig.onSuccess.destination", violations);
}

/** URLs are Hearth's addition: Lambda's pattern knows none. */
function validateDestination(destination: string | undefined, member: string, violations: Violations): void {
  violations.length(destination, member, 0, DESTINATION_LENGTH_MAX);
  if (destination !== undefined && parseDestination(destination)?.kind === "webhook") return;
  violations.matches(destination, member, DESTINATION_PATTERN);
}

export type DestinationOwner = {
  readonly catalog: FunctionCatalog;
  readonly accountId: AccountId;
  readonly region: string;
  readonly functionName: string;
  /** Whether accounts besides the operator's may send with the server's credentials of AWS. */
  readonly isAwsShared: boolean;
};

/** The settings that a valid input states; absent ones are left out, an empty destination is none. @throws LambdaError. */
export function eventInvokeSettingsOf(input: EventInvokeInput, owner: DestinationOwner): Partial<EventInvokeSettings> {
  const { MaximumRetryAttempts: retriesMax, MaximumEventAgeInSeconds: ageS, DestinationConfig: config } = input;
  if (retriesMax === undefined && ageS === undefined && config === undefined) {
    throw invalidParameter("You must specify at least one of error handling or destination setting.");
  }
  const onSuccess = config?.OnSuccess?.Destination || undefined;
  const onFailure = config?.OnFailure?.Destination || undefined;
  const isKnown = [onFailure, onSuccess].map((text) => text === undefined || checkDestination(text, owner));
  // Lambda writes records of successes into no bucket.
  const isBucket = onSuccess !== undefined && parseDestination(onSuccess)?.kind === "s3";
  if (isKnown.includes(false) || isBucket) {
    const [success, failure] = [named("OnSuccess", onSuccess), named("OnFailure", onFailure)];
    throw invalidParameter(
      `The provided destination config DestinationConfig(onSuccess=${success}, onFailure=${failure}) is invalid.`,
    );
  }
  return {
    ...(retriesMax === undefined ? {} : { retriesMax }),
    ...(ageS === undefined ? {} : { ageMsMax: ageS * 1000 }),
    ...(config?.OnSuccess === undefined ? {} : { onSuccess }),
    ...(config?.OnFailure === undefined ? {} : { onFailure }),
  };
}

function named(name: string, destination: string | undefined): string {
  return destination === undefined ? "null" : `${name}(destination=${destination})`;
}

/** @returns false: it is none that Lambda knows. @throws LambdaError for one that it knows and does not take. */
function checkDestination(text: string, owner: DestinationOwner): boolean {
  const destination = parseDestination(text);
  if (destination === undefined) return false;
  if (destination.kind === "lambda") {
    const { region, accountId, functionName, qualifier } = destination;
    const isOurs = region === owner.region && accountId === owner.accountId;
    if (isOurs && functionName === owner.functionName) {
      throw invalidParameter("You can't specify the function as a destination for itself.");
    }
    if (!isOurs || owner.catalog.resolve(accountId, functionName, qualifier) === undefined) {
      throw invalidParameter(`The destination ARN ${text} is invalid.`);
    }
    return true;
  }
  if (destination.kind !== "webhook") checkAwsAllowed(owner);
  return true;
}

/** The credentials are the operator's: who may use them may read and write what they can. */
function checkAwsAllowed({ accountId, isAwsShared }: DestinationOwner): void {
  if (accountId === DEFAULT_ACCOUNT_ID || isAwsShared) return;
  throw invalidParameter(
    "This server lets only its operator's account use its AWS credentials; start it with --aws-shared to let all.",
  );
}
