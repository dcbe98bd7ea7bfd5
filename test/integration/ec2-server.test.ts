import { writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { ACTION, MetadataService, REBALANCE } from "../../src/host-agent/notice/metadata-service-fixture.ts";
import { findPythons } from "../../src/images/pythons.ts";
import type { PythonRuntime } from "../../src/model/runtime.ts";
import type { InstanceSnapshot } from "../../src/model/snapshot.ts";
import { Ec2Place, ZONES } from "./ec2-fixture/ec2-place.ts";
import { priceHistoryXml } from "./ec2-fixture/ec2-proxy.ts";
import { MachineRoom } from "./ec2-fixture/machine-room.ts";
import { needsMoto } from "./moto-server.ts";
import { needsSandbox } from "./sandbox-fixture/requirement.ts";
import { HearthProcess } from "./server-fixture/hearth-process.ts";
import { LambdaCaller } from "./server-fixture/lambda-caller.ts";

/** The smallest that holds a few containers: the machines of these tests are all on one. */
const TYPES = { instanceTypes: { "t3.small": { onDemandUsdPerHour: 0.0228 } } };
/** The machines are this one, so they have what it has. */
const PYTHONS = Object.keys(await findPythons());
const ON_DEMAND = /^ec2\/eu-west-1[ab]\/t3\.small\/on-demand$/;
const SPOT = /^ec2\/eu-west-1[ab]\/t3\.small\/spot$/;
const CAPACITY_PATH = "/_hearth/accounts/000000000000/capacity";
const inTime = { timeout: 90_000, interval: 100 };
/** Who answers: the same container answers the same. */
const SOURCE = {
  "index.js": `const me = Math.random();
exports.handler = async ({ ms = 0 }) => { await new Promise((r) => setTimeout(r, ms)); return me; };`,
};

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** The machines that moto reports are run on this host, by what their user data says. */
describe("hearth up --provider ec2", { ...needsMoto, ...needsSandbox, timeout: 180_000 }, () => {
  let place: Ec2Place;
  let room: MachineRoom;
  let hearth: HearthProcess;
  let lambda: LambdaCaller;
  let args: string[];
  const metadata = new MetadataService();

  beforeAll(async () => {
    await metadata.listen();
    place = await Ec2Place.open();
    room = MachineRoom.open(place, (instanceId) => ({ metadataUrl: `${metadata.url}/${instanceId}` }));
  }, 120_000);

  afterAll(async () => {
    await room.close();
    expect(room.traces()).toEqual([]);
    await place.close();
    await metadata.close();
  }, 120_000);

  test("settings that are wrong are named at the start", async () => {
    const file = join(place.dataDir, "bad.json");
    writeFileSync(
      file,
      JSON.stringify(place.settingsInput({ instanceTypes: { "m99.huge": { onDemandUsdPerHour: 1 } } })),
    );
    const start = HearthProcess.start({ provider: "process", args: ["--provider", "ec2", "--ec2", file] });
    await expect(start).rejects.toThrow(/instanceTypes\["m99.huge"\]: eu-west-1 has no such type/);
  });

  /** What spot machines cost from now on, everywhere. */
  function quote(usd: string): void {
    const at = "2026-05-01T10:00:00.000Z";
    const xml = priceHistoryXml(ZONES.map((zone) => ({ type: "t3.small", zone, usd, at })));
    place.proxy.fateOf = ({ action }) => (action === "DescribeSpotPriceHistory" ? { kind: "answer", xml } : undefined);
  }

  async function setCapacity(capacity: object): Promise<void> {
    const { status, body } = await lambda.request("PUT", CAPACITY_PATH, JSON.stringify(capacity));
    expect(status, body.toString()).toBe(200);
  }

  const instances = async (): Promise<readonly InstanceSnapshot[]> => (await hearth.pools()).instances;
  const active = async () => (await instances()).find(({ state }) => state === "active");
  const machineOf = async (instanceId: string) =>
    (await place.running()).find(({ InstanceId }) => InstanceId === room.machineOf(instanceId));
  const running = async () =>
    (await instances()).find(({ containers }) => containers.some(({ state }) => state === "running"));

  describe("with a function", () => {
    beforeEach(async () => {
      const port = String(await freePort());
      const file = join(place.dataDir, "ec2.json");
      writeFileSync(
        file,
        JSON.stringify(
          place.settingsInput({
            ...TYPES,
            setup: { kind: "prepared", pythons: PYTHONS },
            serverAddress: `127.0.0.1:${port}`,
          }),
        ),
      );
      args = ["--provider", "ec2", "--ec2", file, "--agent-host", "127.0.0.1", "--agent-port", port];
      quote("0.0200");
      hearth = await HearthProcess.start({ provider: "process", args, env: { HEARTH_BLANKS: "1" } });
      lambda = new LambdaCaller(() => hearth.url);
      await lambda.deploy("who", { files: SOURCE, timeoutS: 60 });
    }, 120_000);

    afterEach(async () => {
      await hearth[Symbol.asyncDispose]();
      expect(await place.running(), "a server that ended leaves no machine").toEqual([]);
    }, 120_000);

    /** Its machines run functions in the Python that they have. */
    async function callPython(): Promise<void> {
      const text = "import sys\ndef handler(event, context):\n    return list(sys.version_info[:2])\n";
      const runtime = PYTHONS[0] as PythonRuntime;
      await lambda.deploy("snake", { runtime, handler: "index.handler", files: { "index.py": text }, timeoutS: 60 });
      const { json, functionError } = await lambda.invoke("snake");
      expect([functionError, json]).toEqual([undefined, runtime.slice("python".length).split(".").map(Number)]);
    }

    test("a server that was killed finds its machines again, warm, and ends strays", async () => {
      const who = (await lambda.invoke("who")).json;
      expect(who).toBeGreaterThan(0);
      const before = await active();
      expect(before).toMatchObject({ offerId: expect.stringMatching(ON_DEMAND), subPool: "fixed" });
      if (PYTHONS.length > 0) await callPython();
      const ours = await machineOf(before!.id);
      expect(ours!.InstanceLifecycle).toBeUndefined();

      await hearth.kill();
      const tags = ours!.Tags!.map((tag) => (tag.Key === "hearth:instance-id" ? { ...tag, Value: "i-nobody" } : tag));
      const { Instances } = await place.ec2.runInstances({
        ImageId: ours!.ImageId!,
        InstanceType: "t3.small",
        MinCount: 1,
        MaxCount: 1,
        TagSpecifications: [{ ResourceType: "instance", Tags: tags }],
      });
      const stray = Instances![0]!.InstanceId;

      await hearth.start();
      expect((await active())?.id).toBe(before!.id);
      expect((await lambda.invoke("who")).json, "it is the container of before").toBe(who);
      const ids = async () => (await place.running()).map(({ InstanceId }) => InstanceId);
      await expect.poll(ids, inTime).not.toContain(stray);
      expect(await ids()).toContain(ours!.InstanceId);
      expect(await hearth.stop()).toBe(0);
      expect(await hearth.leftovers()).toEqual([]);
    });

    test("a variable account waits for the price, runs on spot, and moves when its machine is noticed to go", async () => {
      await setCapacity({ class: "variable", constraints: [{ kind: "price", usdPerHourMax: 0.015 }] });
      const waiting = lambda.invoke("who");
      await expect.poll(async () => (await hearth.pools()).waiting.count, inTime).toBe(1);
      expect((await instances()).filter(({ subPool }) => subPool === "variable")).toEqual([]);
      quote("0.0120");
      expect((await waiting).json).toBeGreaterThan(0);
      const first = await active();
      expect(first!.offerId).toMatch(SPOT);
      expect((await machineOf(first!.id))!.InstanceLifecycle).toBe("spot");

      const cut = lambda.invoke("who", { ms: 55_000 });
      await expect.poll(async () => (await running())?.id, inTime).toBe(first!.id);
      const firstNow = async () => (await instances()).find(({ id }) => id === first!.id);
      metadata.documents.set(`/${first!.id}${REBALANCE}`, { body: `{"noticeTime":"${new Date().toISOString()}"}` });
      await expect.poll(async () => (await firstNow())?.isAtRisk, inTime).toBe(true);

      const time = new Date(Date.now() + 15_000).toISOString();
      metadata.documents.set(`/${first!.id}${ACTION}`, { body: `{"action":"terminate","time":"${time}"}` });
      await expect.poll(async () => (await firstNow())?.state ?? "gone", inTime).toMatch(/draining|gone/);
      const { json: other } = await lambda.invoke("who");
      expect(other).toBeGreaterThan(0);
      const second = (await instances()).find(({ id, state }) => state === "active" && id !== first!.id);
      expect(second!.offerId).toMatch(SPOT);
      // Cut off before the machine is, and told so.
      const { status, errorType, body } = await cut;
      expect({ status, errorType }).toEqual({ status: 500, errorType: "ServiceException" });
      expect(body.toString()).toContain("taken away");
      await expect.poll(() => room.machineOf(first!.id), inTime).toBeUndefined();
    });

    test("a machine that EC2 takes without notice fails what runs on it in a way that may be retried", async () => {
      await setCapacity({ class: "variable" });
      const cut = lambda.invoke("who", { ms: 50_000 });
      await expect.poll(running, inTime).toBeDefined();
      await place.ec2.terminateInstances({ InstanceIds: [room.machineOf((await running())!.id)!] });
      expect(await cut).toMatchObject({ status: 500, errorType: "ServiceException" });
      expect((await lambda.invoke("who")).json).toBeGreaterThan(0);
    });
  });
});
