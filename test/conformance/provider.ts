import { needsSandbox } from "../integration/sandbox-fixture/requirement.ts";

/** What unmodified clients are tried against: real containers where this machine can run them. */
export const provider = needsSandbox.skip === true ? "process" : "sandbox";
