import { expect, test } from "vitest";
import { exitText } from "./exit-text.ts";

test.each([
  [{ status: 1, signal: undefined }, "exit status 1"],
  [{ status: 0, signal: undefined }, undefined],
  [{ status: undefined, signal: "SIGKILL" }, "signal: killed"],
  [{ status: undefined, signal: "SIGSEGV" }, "signal: segmentation fault"],
  [{ status: undefined, signal: "SIGRTMIN" }, "signal: SIGRTMIN"],
  [{ status: undefined, signal: undefined }, undefined],
])("%o", (end, text) => {
  expect(exitText(end)).toBe(text);
});
