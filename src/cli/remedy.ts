/** What the server told of a refusal, and of what request. */
export type Refusal = {
  /** Public exception name. */
  readonly code: string;
  /** Hearth's own code, where it told one: one exception has several of them. */
  readonly errorCode: string | undefined;
  readonly message: string;
  /** Of the request. */
  readonly path: string;
};

type Cause = {
  readonly code: string;
  /** Absent: any. */
  readonly errorCode?: RegExp;
  readonly message?: RegExp;
  readonly path?: RegExp;
  /** undefined: the message says it. */
  readonly remedy: string | undefined;
};

const NOT_FOUND = "ResourceNotFoundException";
const DENIED = "AccessDeniedException";
const THROTTLED = "TooManyRequestsException";
const SIGNATURE = "InvalidSignatureException";

/** The first that fits counts: of one exception those that are known more closely come first. */
const CAUSES: readonly Cause[] = [
  { code: NOT_FOUND, path: /^\/2015-03-31\/functions\//, remedy: "`hearth list` shows the functions" },
  { code: NOT_FOUND, path: /^\/_hearth\/schedules\//, remedy: "`hearth schedule list` shows the schedules" },
  { code: NOT_FOUND, path: /^\/_hearth\/sources\//, remedy: "`hearth source list` shows the sources" },
  { code: NOT_FOUND, path: /^\/_hearth\/hosts\//, remedy: "`hearth host list` shows the hosts" },
  { code: NOT_FOUND, path: /^\/_hearth\/accounts\//, remedy: "`hearth account list` shows the accounts" },
  { code: NOT_FOUND, path: /^\/_hearth\/explain\//, remedy: "`hearth logs FUNCTION` shows the ids of its invocations" },
  { code: NOT_FOUND, path: /^\/_hearth\/offers\//, remedy: undefined },
  { code: NOT_FOUND, remedy: "`hearth list` shows the functions, `hearth account list` the accounts" },
  {
    code: THROTTLED,
    errorCode: /^RESERVED_/,
    remedy:
      "what is reserved for the function is in use, or is 0 and stops it: `aws lambda get-function-concurrency` shows it",
  },
  {
    code: THROTTLED,
    errorCode: /^NO_VARIABLE_CAPACITY$/,
    remedy: "`hearth offers` shows what can be had, `hearth account show ACCOUNT` what the account allows",
  },
  {
    code: THROTTLED,
    errorCode: /^DEADLINE_MISSED$/,
    remedy: "give it a later --deadline; `hearth account show ACCOUNT` shows the capacity that the account allows",
  },
  { code: THROTTLED, path: /^\/_hearth\/logs\//, remedy: "end another `hearth logs --follow` first" },
  { code: THROTTLED, remedy: "call again in a moment; `hearth pools` shows what is busy" },
  {
    code: "MissingAuthenticationTokenException",
    remedy: "set HEARTH_ACCESS_KEY_ID and HEARTH_SECRET_ACCESS_KEY, or HEARTH_DATA to the server's data folder",
  },
  {
    code: "UnrecognizedClientException",
    remedy:
      "set HEARTH_ACCESS_KEY_ID and HEARTH_SECRET_ACCESS_KEY to a key of this server, or HEARTH_DATA to its data folder",
  },
  {
    code: SIGNATURE,
    message: /scoped to a valid region/,
    remedy: "leave HEARTH_REGION out, or set it to the server's region",
  },
  { code: SIGNATURE, remedy: "check the secret access key and this machine's clock" },
  { code: DENIED, message: /^Only the operator/, remedy: "use a key of the operator's account" },
  {
    code: DENIED,
    message: /does not answer to the name/,
    remedy: "call it 127.0.0.1 or localhost: bound to loopback it answers to no other name",
  },
  {
    code: DENIED,
    message: /no resource-based policy allows/,
    remedy: "use a key of the account that has the function, or let it allow yours: `aws lambda add-permission`",
  },
  { code: DENIED, message: /belongs to another account/, remedy: "use a key of that account" },
];

/** What to do about a refusal, by its cause as far as that is told. @returns undefined: nothing better than its message is known. */
export function remedyOf({ code, errorCode, message, path }: Refusal): string | undefined {
  return CAUSES.find(
    (cause) =>
      cause.code === code &&
      (cause.errorCode?.test(errorCode ?? "") ?? true) &&
      (cause.message?.test(message) ?? true) &&
      (cause.path?.test(path) ?? true),
  )?.remedy;
}
