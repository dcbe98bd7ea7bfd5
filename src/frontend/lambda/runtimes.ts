import { FUNCTION_RUNTIMES, type FunctionRuntime, isFunctionRuntime } from "../../model/function-runtime.ts";
import { invalidParameter } from "./lambda-error.ts";

/** What is known of a runtime of AWS Lambda's. */
type RuntimeLife = {
  /** From this day on AWS makes no new functions of it (`2027-02-01`); `past`: it has not for a long time. Absent: it does. */
  readonly blockedFrom?: string;
};

/** The runtimes that AWS names in its answer to an unknown one, in its order. */
const NAMED: Readonly<Record<string, RuntimeLife>> = {
  "nodejs20.x": { blockedFrom: "2027-02-01" },
  "python3.14": {},
  "provided.al2023": {},
  "python3.12": {},
  "python3.13": {},
  "nodejs24.x": {},
  "nodejs22.x": {},
  java25: {},
  "python3.10": {},
  "python3.11": {},
  java21: {},
  "ruby3.3": {},
  "ruby3.4": {},
  "ruby3.2": {},
  "python3.8": {},
  "python3.9": {},
  java17: {},
  "nodejs16.x": {},
  dotnet10: {},
  dotnet8: {},
  java11: {},
  dotnet6: {},
  "nodejs18.x": {},
  "provided.al2": {},
  "java8.al2": {},
};

const OTHERS: Readonly<Record<string, RuntimeLife>> = {
  "ruby4.0": {},
  ...Object.fromEntries(
    [
      "nodejs",
      "nodejs4.3",
      "nodejs6.10",
      "nodejs8.10",
      "nodejs10.x",
      "nodejs12.x",
      "nodejs14.x",
      "python2.7",
      "python3.6",
      "python3.7",
      "ruby2.5",
      "ruby2.7",
      "java8",
      "go1.x",
      "dotnetcore1.0",
      "dotnetcore2.0",
      "dotnetcore2.1",
      "dotnetcore3.1",
      "provided",
    ].map((name) => [name, { blockedFrom: "past" }]),
  ),
};

export type RuntimePolicy = {
  /** Whether functions may be of runtimes that AWS makes no new ones of, if this server can run them. */
  readonly allowDeprecated: boolean;
  readonly nowMs: number;
};

/** A runtime that this server runs. @throws LambdaError in AWS's words, or naming what can run here. */
export function runtimeOf(name: string, policy: RuntimePolicy): FunctionRuntime {
  const life = NAMED[name] ?? OTHERS[name];
  if (life === undefined) {
    throw invalidParameter(
      `Value ${name} at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: [${Object.keys(NAMED).join(", ")}] or be a valid ARN`,
    );
  }
  const isRunnable = isFunctionRuntime(name);
  if (isBlocked(life, policy.nowMs) && !(isRunnable && policy.allowDeprecated)) {
    throw invalidParameter(
      `The runtime parameter of ${name} is no longer supported for creating or updating AWS Lambda functions. We recommend you use a supported runtime while creating or updating functions.`,
    );
  }
  if (isRunnable) return name;
  throw invalidParameter(
    `The runtime ${name} is one of AWS Lambda's, and this server cannot run it. It runs: ${[...FUNCTION_RUNTIMES].sort().join(", ")}.`,
  );
}

function isBlocked({ blockedFrom }: RuntimeLife, nowMs: number): boolean {
  return blockedFrom === "past" || (blockedFrom !== undefined && Date.parse(blockedFrom) <= nowMs);
}
