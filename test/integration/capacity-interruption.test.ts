import { writeFileSync } from "node:fs";
import { expect, test } from "vitest";
import { CapacityClient, IN_TIME_MS } from "./capacity-fixture/capacity-client.ts";
import { agentsOf, isThere } from "./capacity-fixture/processes.ts";
import { WITNESS, WitnessFile } from "./capacity-fixture/witness.ts";
import { RemoteServer } from "./remote-fixture/remote-server.ts";

const TIMEOUT_MS = 240_000;
const IN_TIME = { timeout: IN_TIME_MS };
/** Longer than any test takes. */
const FOREVER = { ms: 200_000 };
const QUICK_CALLS = 10;

/** A server whose variable capacity is one machine, `left`, with what is called there; `right` is added by the test. */
async function serve(server: RemoteServer) {
  const { hearth } = server;
  const client = new CapacityClient(() => hearth.url);
  const witness = new WitnessFile(hearth.dataDir);
  writeFileSync(witness.path, "");
  const environment = { WITNESS_FILE: witness.path };
  for (const name of ["witness", "quick"]) {
    await client.lambda.deploy(name, { files: WITNESS, timeoutS: 300, environment });
  }
  /** Its account may use this machine only, from now on. */
  const only = (name: string) =>
    client.set({ class: "variable", constraints: [{ kind: "instanceType", anyOf: [name] }] });
  const instancesOn = async (name: string) =>
    (await hearth.pools()).instances.filter(({ offerId }) => offerId.split("/")[2] === name);
  const retriesOf = async (id: string) =>
    (await hearth.functionLog("witness")).match(new RegExp(`^RETRY RequestId: ${id} .*$`, "gm")) ?? [];
  return { client, witness, only, instancesOn, retriesOf };
}

test("a machine that is taken away: nothing new goes there, callers may try again, events run again once and say so", {
  timeout: TIMEOUT_MS,
}, async () => {
  await using server = await RemoteServer.start("127.0.0.1", { HEARTH_ASYNC_RETRY_SECONDS: "1,1" });
  const { client, witness, instancesOn, retriesOf } = await serve(server);
  const { lambda } = client;
  await using left = await server.addHost({ provider: "process", name: "left" });
  const call = lambda.invoke("witness", FOREVER);
  const events = [
    await client.enqueue("witness", { ...FOREVER, once: true }),
    // It ignores what it is told, and hears nothing anyway.
    await client.enqueue("witness", { ...FOREVER, once: true, deaf: true }),
  ];
  // An idle container is there when the notice comes.
  expect((await lambda.invoke("quick")).status).toBe(200);
  await expect.poll(() => events.map((id) => witness.begun(id)), IN_TIME).toEqual([1, 1]);
  await using _ = await server.addHost({ provider: "process", name: "right" });

  left.signal("SIGTERM");
  const isNoticed = async () => (await instancesOn("left")).some(({ endsAtMs }) => endsAtMs !== undefined);
  await expect.poll(isNoticed, { ...IN_TIME, interval: 20 }).toBe(true);
  const quick = await Promise.all(Array.from({ length: QUICK_CALLS }, () => lambda.invoke("quick")));
  for (const { status, requestId } of quick) {
    expect(status).toBe(200);
    const places = (await client.executions(requestId)).map(({ placement }) => placement.offerId.split("/")[2]);
    expect(places).toEqual(["right"]);
  }

  const { status, headers, errorType } = await call;
  expect([status, errorType, headers["x-hearth-error-code"]]).toEqual([500, "ServiceException", "RECLAIMED"]);
  await client.drained();
  for (const id of events) {
    expect([witness.begun(id), witness.ended(id)]).toEqual([2, 1]);
    expect(await retriesOf(id)).toEqual([`RETRY RequestId: ${id} Attempt: 2`]);
    const executions = await client.executions(id);
    expect(executions.map(({ placement }) => placement.offerId.split("/")[2])).toEqual(["left", "right"]);
    expect(executions[0]?.end).toMatchObject({ kind: "cutOff", code: "RECLAIMED" });
  }
  expect(await left.exited()).toBe(0);
  expect(left.leftovers()).toEqual([]);
});

test("an agent that hangs on one of several machines: what it ran is told or runs again, the others go on", {
  timeout: TIMEOUT_MS,
}, async () => {
  await using server = await RemoteServer.start("127.0.0.1", { HEARTH_ASYNC_RETRY_SECONDS: "1,1" });
  const { client, witness, only, instancesOn, retriesOf } = await serve(server);
  const { lambda } = client;
  await using left = await server.addHost({ provider: "process", name: "left" });
  const lost = lambda.invoke("witness", FOREVER);
  const event = await client.enqueue("witness", { ...FOREVER, once: true });
  await expect.poll(() => witness.begun(event), IN_TIME).toBe(1);
  await using _ = await server.addHost({ provider: "process", name: "right" });
  await only("right");
  // Its end is asked for when the other machine has long been given up.
  const kept = lambda.invoke("witness", { ms: 12_000 });
  const isRunning = async () =>
    (await instancesOn("right")).some(({ containers }) => containers.some(({ state }) => state === "running"));
  await expect.poll(isRunning, IN_TIME).toBe(true);

  const agents = agentsOf(left.dataDir);
  expect(agents.length).toBeGreaterThan(0);
  for (const pid of agents) process.kill(pid, "SIGSTOP");
  expect((await lost).headers["x-hearth-error-code"]).toBe("INSTANCE_LOST");
  expect((await kept).status).toBe(200);
  await client.drained();
  expect([witness.begun(event), witness.ended(event)]).toEqual([2, 1]);
  expect(await retriesOf(event)).toEqual([`RETRY RequestId: ${event} Attempt: 2`]);
  await expect.poll(() => agents.filter(isThere), IN_TIME).toEqual([]);
});
