import { errorTypeOf } from "../model/error-type.ts";
import type { Outcome } from "../model/invocation.ts";
import type { PhaseEnd } from "./telemetry/lifecycle-records.ts";

/** Of a function's own types only these are told on (AWS's runtime interface emulator); the others are texts of strangers. */
const TOLD_TYPE = /^(Runtime|Function|Extension)\./;

/** How a phase ended, for those who observe it. @param payload the error object, if there is one. */
export function phaseEnd(outcome: Outcome, payload: Buffer): PhaseEnd {
  switch (outcome) {
    case "ok":
      return { status: "success" };
    case "timeout":
      return { status: "timeout" };
    case "agentFault":
      return { status: "failure" };
    case "functionError": {
      const errorType = errorTypeOf("initError", payload) ?? "";
      return { status: "error", errorType: TOLD_TYPE.test(errorType) ? errorType : "Function.Unknown" };
    }
    default:
      return { status: "error", errorType: errorTypeOf(outcome, payload) };
  }
}
