import fc from "fast-check";
import { expect, test } from "vitest";
import { agentMessageSchema, parseAgentMessage } from "./agent-protocol.ts";

const FINISHED = {
  kind: "finished",
  containerId: "c-1",
  leaseId: "l-1",
  invocationId: "r-1",
  outcome: "ok",
  containerUsable: true,
  wallUs: 5,
};

/** Every member, also those that may be missing. */
const MEMBERS = agentMessageSchema.options
  .filter(({ shape }) => shape.kind.value === FINISHED.kind)
  .flatMap(({ shape }) => Object.keys(shape));

test("the end of an invocation is taken or refused by hand as the schema would", () => {
  const value = fc.constantFrom(undefined, null, "ok", "", 0, 7, 0.5, -1, Number.NaN, Number.POSITIVE_INFINITY, true);
  const changes = fc.dictionary(fc.constantFrom(...MEMBERS), value, { maxKeys: 2 });
  fc.assert(
    fc.property(changes, (changed) => {
      const message = { ...FINISHED, ...changed };
      let parsed: unknown;
      try {
        parsed = parseAgentMessage(message);
      } catch {
        parsed = undefined;
      }
      expect(parsed !== undefined).toBe(agentMessageSchema.safeParse(message).success);
    }),
    { numRuns: 500 },
  );
});

test("an agent of an earlier version says less of an execution", () => {
  expect(parseAgentMessage(FINISHED)).toEqual(FINISHED);
});
