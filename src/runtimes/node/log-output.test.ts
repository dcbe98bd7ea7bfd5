import { expect, test } from "vitest";
import { LogOutput } from "./log-output.ts";

function opened() {
  const sent: [string, string][] = [];
  const log = new LogOutput({
    send: (header, payload) => void sent.push([JSON.parse(header).kind, payload]),
    sendBytes: () => expect.fail("the log is text"),
    ref() {},
    unref() {},
  });
  return { log, sent };
}

test("what goes through the console is a message, what is written are lines", () => {
  const { log, sent } = opened();
  log.requestId = "r-1";
  log.log("ERROR", ["one\ntwo", 3]);
  log.write("half ");
  log.write("a line\nand more\nbegun");
  log.log("INFO", ["next"]);
  expect(sent).toEqual([
    ["logMessage", expect.stringMatching(/^\S+Z\tr-1\tERROR\tone\ntwo 3\n$/)],
    ["log", "half a line\nand more\n"],
    ["log", "begun\n"],
    ["logMessage", expect.stringMatching(/^\S+Z\tr-1\tINFO\tnext\n$/)],
  ]);
});

test("a long message leaves in pieces that end within a line", () => {
  const { log, sent } = opened();
  log.log("INFO", ["0123456\n".repeat(40_000)]);
  expect(sent.length).toBeGreaterThan(3);
  expect(sent.filter(([, text]) => text.endsWith("\n"))).toHaveLength(1);
  expect(sent.map(([, text]) => text).join("")).toMatch(/\tINFO\t(0123456\n){40000}\n$/);
});

test("as JSON, an error whose cause cannot be said is said without it", () => {
  const { log, sent } = opened();
  log.configure({ AWS_LAMBDA_LOG_FORMAT: "JSON" });
  const cause: Record<string, unknown> = { count: 1n };
  cause["self"] = cause;
  const error = new TypeError("outer", { cause });
  log.log("ERROR", [error]);
  log.log("ERROR", ["failed", error]);
  const said = sent.map(([, text]) => JSON.parse(text));
  expect(said).toMatchObject([
    { level: "ERROR", errorType: "TypeError", errorMessage: "outer" },
    { level: "ERROR", errorType: "TypeError", errorMessage: "outer", message: expect.stringContaining("failed") },
  ]);
});
