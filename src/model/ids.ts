/** Branded strings, so that an instance id cannot be passed where a function key is wanted. */
type Brand<Name extends string> = string & { readonly __brand: Name };

/** Twelve digits, as AWS account ids are. */
export type AccountId = Brand<"AccountId">;
/** A UUID; what Lambda calls the request id. The same on every retry of an asynchronous invocation. */
export type InvocationId = Brand<"InvocationId">;
export type InstanceId = Brand<"InstanceId">;
/** Names one offer: `provider/zone/instanceType/terms`, such as `ec2/eu-west-1a/m7i.large/spot`. */
export type OfferId = Brand<"OfferId">;
export type ContainerId = Brand<"ContainerId">;
export type LeaseId = Brand<"LeaseId">;
/**
 * Names one immutable state of a function: account, name, version and the revision of its code and
 * configuration. Two invocations may share a container if and only if their keys are equal.
 */
export type FunctionKey = Brand<"FunctionKey">;

/** The account that requests act for when they carry no known credential on loopback. */
export const DEFAULT_ACCOUNT_ID = "000000000000" as AccountId;
