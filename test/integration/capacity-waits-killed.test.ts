import { writeFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { CapacityClient, fateOf, IN_TIME_MS, invocationsOf } from "./capacity-fixture/capacity-client.ts";
import { WITNESS, WitnessFile } from "./capacity-fixture/witness.ts";
import { RemoteServer } from "./remote-fixture/remote-server.ts";
import { eventually } from "./server-fixture/eventually.ts";

const TIMEOUT_MS = 240_000;
const CALLERS = 10;
const EVENTS = 10;
const HELD = 3;
const HELD_CALLERS = 2;

describe("kill -9 of a server with variable capacity", () => {
  test("while invocations wait and are held: callers lose their connection, each event runs once", {
    timeout: TIMEOUT_MS,
  }, async () => {
    await using server = await RemoteServer.start("127.0.0.1", { HEARTH_ASYNC_RETRY_SECONDS: "1,1" });
    const { hearth } = server;
    const client = new CapacityClient(() => hearth.url);
    const { lambda } = client;
    const witness = new WitnessFile(hearth.dataDir);
    writeFileSync(witness.path, "");
    const environment = { WITNESS_FILE: witness.path };
    await lambda.deploy("witness", { files: WITNESS, environment });

    const events = await Promise.all(Array.from({ length: EVENTS }, () => client.enqueue("witness")));
    const inTwoHours = { "x-hearth-deadline": "+2h" };
    const held = await Promise.all(Array.from({ length: HELD }, () => client.enqueue("witness", {}, inTwoHours)));
    const callers = Array.from({ length: CALLERS }, () => fateOf(lambda.invoke("witness")));
    const heldCallers = Array.from({ length: HELD_CALLERS }, () =>
      fateOf(lambda.request("POST", invocationsOf("witness"), "{}", inTwoHours)),
    );
    await client.waiting(EVENTS + HELD + CALLERS + HELD_CALLERS);
    expect((await hearth.pools()).waiting.heldCount).toBe(HELD + HELD_CALLERS);

    await hearth.kill();
    expect(new Set(await Promise.all([...callers, ...heldCallers]))).toEqual(new Set(["ECONNRESET"]));
    await hearth.start();
    const { entries } = await client.waiting(EVENTS + HELD);
    expect(new Set(entries.map(({ invocationId }) => invocationId))).toEqual(new Set([...events, ...held]));
    expect((await hearth.pools()).waiting.heldCount).toBe(HELD);

    // The condition comes to hold for those that wait: a variable instance is to be had. The held ones are let go last.
    await using _ = await server.addHost({ provider: "process", name: "spare" });
    await eventually(
      async () => events.every((id) => witness.ended(id) > 0),
      (isDone) => isDone,
      IN_TIME_MS,
    );
    await client.set({ class: "fixed" });
    await client.drained();
    expect([...events, ...held].map((id) => [witness.begun(id), witness.ended(id)])).toEqual(
      [...events, ...held].map(() => [1, 1]),
    );
    expect((await client.waits()).entries).toEqual([]);
    expect(await hearth.stop()).toBe(0);
  });

  test("between the notice and the cut-off of what runs: the event runs again once, and says so", {
    timeout: TIMEOUT_MS,
  }, async () => {
    await using server = await RemoteServer.start("127.0.0.1", { HEARTH_ASYNC_RETRY_SECONDS: "1,1" });
    const { hearth } = server;
    const client = new CapacityClient(() => hearth.url);
    const { lambda } = client;
    const witness = new WitnessFile(hearth.dataDir);
    writeFileSync(witness.path, "");
    await using host = await server.addHost({ provider: "process", name: "leaving" });
    await lambda.deploy("witness", { files: WITNESS, timeoutS: 300, environment: { WITNESS_FILE: witness.path } });
    const call = fateOf(lambda.invoke("witness", { ms: 200_000 }));
    const event = await client.enqueue("witness", { ms: 200_000, once: true });
    await expect.poll(() => witness.begun(event), { timeout: IN_TIME_MS }).toBe(1);
    host.signal("SIGTERM");
    await expect
      .poll(async () => (await hearth.pools()).instances.some(({ endsAtMs }) => endsAtMs !== undefined), {
        timeout: IN_TIME_MS,
      })
      .toBe(true);
    await hearth.kill();
    expect(await call).toBe("ECONNRESET");
    await hearth.start();
    // Nothing is to be had before another machine joins.
    await using _ = await server.addHost({ provider: "process", name: "other" });
    await client.drained();
    expect([witness.begun(event), witness.ended(event)]).toEqual([2, 1]);
    expect((await hearth.functionLog("witness")).match(/^RETRY RequestId: .*$/gm)).toEqual([
      `RETRY RequestId: ${event} Attempt: 2`,
    ]);
    expect(await host.exited()).toBe(0);
    expect(host.leftovers()).toEqual([]);
  });
});
