import { expect, test } from "vitest";
import type { ContainerId, FunctionKey, InvocationId } from "../model/ids.ts";
import type { AgentMessage } from "../protocol/agent-protocol.ts";
import { FunctionLog } from "./function-log.ts";

/** A link that collects what is sent to it; `turn` ends a turn of the event loop, `drain` unclogs it. */
class CollectingLink {
  readonly sent: { message: AgentMessage; text: string }[] = [];
  isClogged = false;
  #beforeFlush: (() => void)[] = [];
  #onceDrained: (() => void)[] = [];

  send(message: AgentMessage, payload?: Buffer): void {
    this.sent.push({ message, text: String(payload) });
  }
  beforeFlush(callback: () => void): void {
    this.#beforeFlush.push(callback);
  }
  onceDrained(callback: () => void): void {
    this.#onceDrained.push(callback);
  }
  turn(): void {
    for (const callback of this.#beforeFlush.splice(0)) callback();
  }
  drain(): void {
    this.isClogged = false;
    for (const callback of this.#onceDrained.splice(0)) callback();
  }
}

const containerId = "c-1" as ContainerId;
const functionKey = "key" as FunctionKey;
const invocationId = "v-1" as InvocationId;

test("one message per turn, none when nothing was written", () => {
  const link = new CollectingLink();
  const log = new FunctionLog(link, containerId);
  for (const text of ["a", "", "b", "c"]) log.write(Buffer.from(text));
  expect(link.sent).toEqual([]);
  link.turn();
  link.turn();
  expect(link.sent).toEqual([{ message: { kind: "log", containerId }, text: "abc" }]);
});

test("the platform's lines begin a line, and the last one is behind all that its execution wrote", () => {
  const link = new CollectingLink();
  const log = new FunctionLog(link, containerId);
  log.attribute(functionKey, invocationId);
  log.writeLine(Buffer.from("first\n"));
  log.write(Buffer.from("50 %"));
  log.writeLine(Buffer.from("second\n"));
  log.writeLastLine(Buffer.from("last\n"));
  log.write(Buffer.from("late"));
  log.attribute(functionKey, invocationId);
  log.attribute(functionKey, undefined);
  log.attribute(functionKey, undefined);
  expect(link.sent.map(({ text }) => text).join("")).toBe("first\n50 %\nsecond\nlate\nlast\n");
  expect(link.sent.every(({ message }) => message.kind === "log" && message.invocationId === invocationId)).toBe(true);
});

test("text belongs to the execution during which it was written", () => {
  const link = new CollectingLink();
  const log = new FunctionLog(link, containerId);
  log.attribute(functionKey, invocationId);
  log.write(Buffer.from("during"));
  log.attribute(functionKey, undefined);
  log.write(Buffer.from("after"));
  link.turn();
  expect(link.sent).toEqual([
    { message: { kind: "log", containerId, functionKey, invocationId }, text: "during" },
    { message: { kind: "log", containerId, functionKey }, text: "after" },
  ]);
});

test("a message of several lines is marked as one, lines are not", () => {
  const link = new CollectingLink();
  const log = new FunctionLog(link, containerId);
  log.write(Buffer.from("one\ntwo\n\x1dthree\n"));
  log.writeMessage(Buffer.from("Error: no\n    at one\n"));
  log.writeMessage(Buffer.from("next\n"));
  link.turn();
  expect(link.sent.map(({ text }) => text)).toEqual(["one\ntwo\nthree\nError: no\n\x1d    at one\nnext\n"]);
});

test("a message is not parted for what was written before it", () => {
  const link = new CollectingLink();
  const log = new FunctionLog(link, containerId);
  const message = `Error: no\n${"    at one\n".repeat(20_000)}`;
  for (let i = 0; i < 3; i += 1) log.writeMessage(Buffer.from(message));
  link.turn();
  expect(link.sent.map(({ text }) => text.slice(0, 5))).toEqual(["Error", "Error", "Error"]);
});

test("long text is cut into messages, nothing is lost", () => {
  const link = new CollectingLink();
  const log = new FunctionLog(link, containerId);
  const text = "0123456789".repeat(100_000);
  log.write(Buffer.from(text));
  expect(link.sent.every((message) => message.text.length <= 256 * 1024)).toBe(true);
  expect(link.sent.map((message) => message.text).join("")).toBe(text);
});

test("whoever writes to a clogged link waits until it drains", () => {
  const link = new CollectingLink();
  const log = new FunctionLog(link, containerId);
  const seen: string[] = [];
  const source = { pause: () => seen.push("pause"), resume: () => seen.push("resume") };
  log.write(Buffer.from("a"), source);
  link.isClogged = true;
  log.write(Buffer.from("b"), source);
  expect(seen).toEqual(["pause"]);
  link.drain();
  expect(seen).toEqual(["pause", "resume"]);
});
