import { CreateFunctionCommand, InvokeCommand, TagResourceCommand, UntagResourceCommand } from "@aws-sdk/client-lambda";
import fc from "fast-check";
import { beforeEach, describe, expect, test } from "vitest";
import { deadlineOf } from "./deadline.ts";
import {
  arn,
  call,
  client,
  createInput,
  createSettled,
  failure,
  invokePath,
  requests,
  serveLambdaRoutes,
} from "./lambda-routes-fixture.ts";

const NOW_MS = Date.parse("2026-11-21T12:00:00Z");
const HOUR_MS = 3_600_000;

describe("the header", () => {
  test("a time, a delay, seconds, or none", () => {
    const at = (text: string) => deadlineOf(text, undefined, NOW_MS);
    expect(at("2026-11-21T14:00:00Z")).toBe(NOW_MS + 2 * HOUR_MS);
    expect(at("2026-11-21T15:00+01:00")).toBe(NOW_MS + 2 * HOUR_MS);
    for (const text of ["+2h", "2h", "7200", "+7200", " +120m "]) expect(at(text), text).toBe(NOW_MS + 2 * HOUR_MS);
    expect(at("none")).toBeUndefined();
    expect(at("0")).toBe(NOW_MS);
  });

  test("it goes before the function's own, which none switches off", () => {
    expect(deadlineOf(undefined, HOUR_MS, NOW_MS)).toBe(NOW_MS + HOUR_MS);
    expect(deadlineOf("+2h", HOUR_MS, NOW_MS)).toBe(NOW_MS + 2 * HOUR_MS);
    expect(deadlineOf("none", HOUR_MS, NOW_MS)).toBeUndefined();
    expect(deadlineOf(undefined, undefined, NOW_MS)).toBeUndefined();
  });

  test("what is no deadline is refused by the header's name", () => {
    const cases: [text: string, says: RegExp][] = [
      ["tomorrow", /is no time and no delay/],
      ["", /is no time and no delay/],
      ["2026-11-21T14:00:00", /is no time and no delay/],
      ["2026-13-45T99:00:00Z", /is no time and no delay/],
      ["-2h", /is no time and no delay/],
      ["1e9", /is no time and no delay/],
      ["2026-11-21T11:59:59Z", /is in the past/],
      ["+8d", /is too far away/],
      ["999999999", /is too far away/],
      ["x".repeat(5000), /^X-Hearth-Deadline: "x{60}…" is no time/],
    ];
    for (const [text, says] of cases) {
      expect(() => deadlineOf(text, undefined, NOW_MS), text).toThrow(says);
      expect(() => deadlineOf(text, HOUR_MS, NOW_MS), text).toThrow(/^X-Hearth-Deadline: /);
    }
  });

  test("whatever is sent gives a time within bounds, none, or a refusal", () => {
    const likely = fc.string({ unit: fc.constantFrom(..."0123456789+-:.TZhmsd") });
    fc.assert(
      fc.property(fc.oneof(fc.string(), likely), (text) => {
        let atMs: number | undefined;
        try {
          atMs = deadlineOf(text, undefined, NOW_MS);
        } catch (error) {
          expect(error).toMatchObject({ type: "InvalidParameterValueException", status: 400 });
          return;
        }
        if (atMs !== undefined) expect(atMs - NOW_MS).toBeGreaterThanOrEqual(0);
      }),
    );
  });
});

describe("Invoke", () => {
  serveLambdaRoutes();
  beforeEach(() => createSettled());

  const askedAfterMs = () => (requests.at(-1)?.deadlineMs ?? Number.NaN) - Date.now();

  test("both ways of invoking take the header; a bad one is answered with 400", async () => {
    for (const type of ["RequestResponse", "Event"]) {
      const header = { "x-hearth-deadline": "+2h", "x-amz-invocation-type": type };
      expect((await call("POST", invokePath("f"), "{}", header)).ok).toBe(true);
      expect(Math.abs(askedAfterMs() - 2 * HOUR_MS)).toBeLessThan(60_000);
    }
    const refused = await call("POST", invokePath("f"), "{}", { "x-hearth-deadline": "soon" });
    expect(refused.status).toBe(400);
    expect(await refused.json()).toMatchObject({
      message: expect.stringMatching(/^X-Hearth-Deadline: "soon" is no time/),
    });
    await call("POST", invokePath("f"), "{}");
    expect(requests.at(-1)?.deadlineMs).toBeUndefined();
  });

  test("a tag gives all calls of an unmodified client a deadline, at once and until it is removed", async () => {
    await client.send(new TagResourceCommand({ Resource: arn, Tags: { "hearth:deadline": "2h" } }));
    await client.send(new InvokeCommand({ FunctionName: "f" }));
    expect(Math.abs(askedAfterMs() - 2 * HOUR_MS)).toBeLessThan(60_000);
    await call("POST", invokePath("f"), "{}", { "x-hearth-deadline": "none" });
    expect(requests.at(-1)?.deadlineMs).toBeUndefined();
    await client.send(new UntagResourceCommand({ Resource: arn, TagKeys: ["hearth:deadline"] }));
    await client.send(new InvokeCommand({ FunctionName: "f" }));
    expect(requests.at(-1)?.deadlineMs).toBeUndefined();
    expect(new Set(requests.map(({ version }) => version.key)).size).toBe(1);
  });

  test("a tag that is none is refused by its name, when it is set and at the creation", async () => {
    const says = failure("InvalidParameterValueException", /^Tag hearth:deadline: "soon" is no length of time/);
    const Tags = { "hearth:deadline": "soon" };
    await expect(client.send(new TagResourceCommand({ Resource: arn, Tags }))).rejects.toEqual(says);
    await expect(client.send(new CreateFunctionCommand({ ...createInput, FunctionName: "g", Tags }))).rejects.toEqual(
      says,
    );
  });
});
