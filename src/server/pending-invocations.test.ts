import { expect, test } from "vitest";
import type { InvocationId } from "../model/ids.ts";
import type { InvokeRequest } from "../ports/invoker.ts";
import { PendingInvocations } from "./pending-invocations.ts";

test("the code of what has not ended is in use, its layers one by one and over each other", () => {
  const pending = new PendingInvocations({ nowMs: () => 0, monotonicMs: () => 0 });
  const arrive = (id: string, version: object) =>
    pending.add({
      request: { id: id as InvocationId, version, logTail: false } as unknown as InvokeRequest,
      retries: 0,
      mode: "asynchronous",
      answer() {},
      trace: undefined,
    });
  const used = () => [...pending.usedCode((hashes) => hashes.join("+"))];
  arrive("1", { codeSha256Hex: "a" });
  arrive("2", { codeSha256Hex: "b", layerSha256Hexes: ["c", "d"] });
  expect(used()).toEqual(["a", "b", "c", "d", "c+d"]);

  pending.delete("2" as InvocationId);
  expect(used()).toEqual(["a"]);
});
