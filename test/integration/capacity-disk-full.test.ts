import { describe, expect, test } from "vitest";
import { ACCOUNT, CapacityClient, IN_TIME_MS } from "./capacity-fixture/capacity-client.ts";
import { eventually } from "./server-fixture/eventually.ts";
import { HearthProcess } from "./server-fixture/hearth-process.ts";
import { needsSmallDisk, SmallDisk } from "./server-fixture/small-disk.ts";

const TIMEOUT_MS = 180_000;
const DISK_MIB = 64;
/** Changes of settings that fill what is left of the pages that the database has. */
const CHANGES_MAX = 2000;
const OFFER = "process/host/slice/on-demand";
const STORE_FAILED = [500, "STORE_FAILED"];

describe("a full disk under accounts, prices and costs", needsSmallDisk, () => {
  test("refuses changes and applies no half of them; costs are kept until there is room", {
    timeout: TIMEOUT_MS,
  }, async () => {
    await using disk = new SmallDisk(DISK_MIB);
    await using hearth = await HearthProcess.start({ provider: "process", dataDir: disk.path });
    const client = new CapacityClient(() => hearth.url);
    const { lambda } = client;
    await lambda.deploy("f", { files: { "index.js": "exports.handler = async (event) => event;" } });
    expect((await client.price(OFFER, 0.04)).status).toBe(200);
    await client.set({ class: "fixed" });
    const shown = async () => {
      const offer = (await client.offers()).find(({ id }) => id === OFFER);
      const { capacity, changes } = await client.capacity();
      return { price: offer?.priceUsdPerHour, capacity, changeCount: changes.length };
    };
    const ran = async () =>
      (await client.costs()).rows.reduce((sum, { functionName, invocations }) => {
        return sum + (functionName === "f" ? invocations : 0);
      }, 0);
    expect((await lambda.invoke("f", 1)).json).toBe(1);
    expect(await ran()).toBe(1);

    disk.fill();
    const refused = await untilRefused(client);
    expect([refused.status, refused.headers["x-hearth-error-code"]]).toEqual(STORE_FAILED);
    expect(refused.body.toString()).toMatch(/full|disk|store/i);
    const before = await shown();
    // What a small free rest still takes is taken for good; what is refused leaves no trace.
    for (let attempt = 0; attempt < 3; attempt++) {
      const dedicated = await client.put({ class: "dedicated", dedicatedInstances: 3 });
      const price = await client.price(OFFER, 9);
      expect([dedicated, price].map(({ status, headers }) => [status, headers["x-hearth-error-code"]])).toEqual([
        STORE_FAILED,
        STORE_FAILED,
      ]);
      expect(await shown()).toEqual(before);
    }
    // It serves on, and remembers what that cost.
    for (let call = 0; call < 5; call++) expect((await lambda.invoke("f", call)).json).toBe(call);
    expect((await hearth.pools()).instances.filter(({ accountId }) => accountId === ACCOUNT)).toHaveLength(1);
    const costs = await lambda.request("GET", "/_hearth/costs");
    if (costs.status !== 200) expect([costs.status, costs.headers["x-hearth-error-code"]]).toEqual(STORE_FAILED);

    disk.free();
    const set = await eventually(
      () => client.put({ class: "dedicated", dedicatedInstances: 2 }),
      ({ status }) => status === 200,
      IN_TIME_MS,
    );
    expect(set.status, set.body.toString()).toBe(200);
    expect((await client.price(OFFER, 0.05)).status).toBe(200);
    expect(await ran()).toBe(6);
    expect(await hearth.stop()).toBe(0);
    await hearth.start();
    expect(await shown()).toMatchObject({ price: 0.05, capacity: { class: "dedicated", dedicatedInstances: 2 } });
    expect(await ran()).toBe(6);
    expect((await lambda.invoke("f", 2)).json).toBe(2);

    // It ends on a full disk, too: the last costs are lost, and nothing of it stays.
    disk.fill();
    expect([0, 1]).toContain(await hearth.stop());
    expect(await hearth.leftovers()).toEqual([]);
    disk.free();
    await hearth.start();
    expect((await lambda.invoke("f", 3)).json).toBe(3);
    expect(await ran()).toBeGreaterThanOrEqual(7);
  });
});

/** Pages that the database has already may take some more. @returns the first refusal. */
async function untilRefused(client: CapacityClient) {
  for (let i = 0; i < CHANGES_MAX; i++) {
    const answer = await client.put({
      class: "variable",
      constraints: [{ kind: "zone", anyOf: Array.from({ length: 20 }, (_, at) => `zone-${i}-${at}`) }],
    });
    if (answer.status !== 200) return answer;
    await client.set({ class: "fixed" }).catch(() => {});
  }
  throw new Error(`${CHANGES_MAX} changes fit on a full disk`);
}
