import { mkdtempSync, realpathSync, rmSync } from "node:fs";
import { networkInterfaces, release, tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { VmManifest } from "../../src/images/vm/vm-image.ts";
import type { InstanceSnapshot, PoolsSnapshot } from "../../src/model/snapshot.ts";
import type { SizedVersionView } from "../../src/ports/sizing-view.ts";
import { IMAGE_MS_MAX, linkImageInto } from "./microvm-fixture/image.ts";
import { machinesOf } from "./microvm-fixture/microvm-world.ts";
import { needsMachines } from "./microvm-fixture/requirement.ts";
import { eventually } from "./server-fixture/eventually.ts";
import { HearthProcess } from "./server-fixture/hearth-process.ts";
import { type InvokeAnswer, LambdaCaller } from "./server-fixture/lambda-caller.ts";
import { leftoversOf } from "./server-fixture/leftovers.ts";

/** Emulated boots on a busy machine. */
const BOOT_MS_MAX = 240_000;
const NOTICED_MS_MAX = 5_000;
/** Room for one machine. */
const MEMORY_MIB = 2_400;

const ABOUT = `
  const os = require("node:os");
  const fs = require("node:fs");
  const net = require("node:net");
  let calls = 0;
  const reach = (host, port) => new Promise((resolve) => {
    const socket = net.connect({ host, port, timeout: 3000 });
    const end = (says) => { socket.destroy(); resolve(says); };
    socket.on("connect", () => end("connected")).on("timeout", () => end("timeout")).on("error", (e) => end(e.code));
  });
  exports.handler = async ({ fillMiB = 0, targets = [], writeMiB = 0, rereads = 0, waitMs = 0 }) => {
    calls += 1;
    const filled = [];
    for (let i = 0; i < fillMiB; i += 16) filled.push(Buffer.alloc(16 * 1024 * 1024, 1));
    for (let i = 0; i < writeMiB; i++) fs.appendFileSync("/tmp/file", Buffer.alloc(1024 * 1024, 1));
    for (let i = 0; i < rereads; i++) {
      const file = fs.openSync("/tmp/file");
      for (const into = Buffer.alloc(1024 * 1024); fs.readSync(file, into) > 0; );
      fs.closeSync(file);
    }
    await new Promise((resolve) => setTimeout(resolve, waitMs));
    const reached = {};
    for (const [host, port] of targets) reached[host + ":" + port] = await reach(host, port);
    return { calls, kernel: os.release(), filledMiB: filled.length * 16, reached };
  };`;

const SNAKE = `
import platform, sys
import boto3
def handler(event, context):
    return [event["name"], platform.release(), sys.executable, boto3.__version__]
`;

describe("a server whose instances are machines", { ...needsMachines, timeout: BOOT_MS_MAX }, () => {
  let hearth: HearthProcess;
  let lambda: LambdaCaller;
  let dataDir: string;
  let kernelRelease: string;
  let pythons: VmManifest["pythons"];

  beforeAll(async () => {
    if (needsMachines.skip === true) return;
    dataDir = realpathSync(mkdtempSync(join(tmpdir(), "hearth-machines-")));
    ({ kernelRelease, pythons } = (await linkImageInto(join(dataDir, "images"))).manifest);
    const env = {
      HEARTH_MICROVM_MEMORY: String(MEMORY_MIB),
      HEARTH_BLANKS: "1",
      HEARTH_AGENT_HOST: "127.0.0.1",
      HEARTH_AGENT_PORT: "0",
    };
    hearth = await HearthProcess.start({ provider: "microvm", dataDir, env });
    lambda = new LambdaCaller(() => hearth.url);
    for (const [name, memoryMiB] of [
      ["about", 256],
      ["small", 128],
      ["growing", 128],
      ["rereading", 128],
      ["large", 1024],
    ] as const) {
      await lambda.deploy(name, { files: { "index.js": ABOUT }, memoryMiB, timeoutS: 120 });
    }
  }, IMAGE_MS_MAX + BOOT_MS_MAX);

  afterAll(async () => {
    await hearth?.[Symbol.asyncDispose]();
    if (dataDir !== undefined) rmSync(dataDir, { recursive: true, force: true });
  }, BOOT_MS_MAX);

  /** Answered once a machine has booted: a caller waits for a shorter time than that may take here. */
  function invokeBooted(name: string, payload: unknown = {}): Promise<InvokeAnswer> {
    return eventually(
      () => lambda.invoke(name, payload),
      ({ status }) => status === 200,
      BOOT_MS_MAX,
    );
  }

  async function sizeOf(name: string): Promise<SizedVersionView> {
    const answer = await fetch(`${hearth.url}/_hearth/sizing/functions/${name}`);
    return ((await answer.json()) as { versions: SizedVersionView[] }).versions[0] as SizedVersionView;
  }

  async function activeInstance(): Promise<InstanceSnapshot> {
    const { instances } = await hearth.pools();
    return instances.find(({ state }) => state === "active") as InstanceSnapshot;
  }

  test("a function runs under the machine's kernel, in a container", async () => {
    const { json, functionError } = await invokeBooted("about");
    expect({ functionError, kernel: json.kernel }).toEqual({ functionError: undefined, kernel: kernelRelease });
    expect(json.kernel).not.toBe(release());
    expect((await activeInstance()).offerId).toBe("microvm/host/vm/on-demand");
  });

  test("a function in Python runs in a blank container, by the interpreter of the image", async () => {
    const [[runtime, described] = ["no Python in the image", ""]] = Object.entries(pythons);
    expect(Object.values((await hearth.status()).pythons)).toEqual([`${described} in virtual machines`]);
    const absent = runtime === "python3.12" ? "python3.13" : "python3.12";
    const files = { "index.py": SNAKE };
    const refused = JSON.parse((await lambda.create("absent", { runtime: absent, files })).body.toString());
    expect(refused.message).toContain(`the image of virtual machines has no ${absent} (it has ${runtime})`);
    await lambda.deploy("snake", { runtime, files, timeoutS: 120 });
    const blanks = ({ instances }: PoolsSnapshot) =>
      instances.flatMap(({ containers }) => containers).filter((each) => each.runtime === runtime);
    const [blank] = blanks(
      await eventually(
        () => hearth.pools(),
        (pools) => blanks(pools).some(({ state }) => state === "blank"),
        BOOT_MS_MAX,
      ),
    );
    expect(blank?.state).toBe("blank");
    const { json, functionError } = await lambda.invoke("snake", { name: "Ada" });
    expect({ json, functionError }).toEqual({
      json: ["Ada", kernelRelease, `/var/lang/bin/${runtime}`, described.split("boto3 ")[1]],
      functionError: undefined,
    });
    expect(blanks(await hearth.pools()).find(({ id }) => id === blank?.id)?.functionKey).toContain("snake");
  });

  test("a function that takes more memory than it has is ended and reported", async () => {
    const { json, functionError } = await lambda.invoke("small", { fillMiB: 512 });
    expect({ functionError, errorType: json.errorType }).toEqual({
      functionError: "Unhandled",
      errorType: "Runtime.OutOfMemory",
    });
  });

  test("a function that needs more than its limit gets it while it runs, and the next one is made larger", async () => {
    expect((await lambda.invoke("growing", {})).json.filledMiB).toBe(0);
    const { json, functionError } = await lambda.invoke("growing", { fillMiB: 128 });
    expect({ functionError, filledMiB: json.filledMiB }).toEqual({ functionError: undefined, filledMiB: 128 });
    const { decisions, effective, evidence } = await sizeOf("growing");
    expect(decisions.at(-1)).toMatchObject({ condition: "rescued", from: { memoryMiB: 128 } });
    expect(effective.memoryMiB).toBeGreaterThan(150);
    // Peaks come from the machine's own control groups, which are of version 2.
    expect(evidence.peaks?.maxMiB).toBeGreaterThan(128);
  });

  test("a function that waits for memory without being killed is told by the kernel's own figures, and gets more", async () => {
    // What it writes and reads has to leave memory again for what it holds. It has a fourteenth of an emulated processor for that.
    const { json, functionError } = await lambda.invoke("rereading", { fillMiB: 32, writeMiB: 32, rereads: 1 });
    expect({ functionError, filledMiB: json.filledMiB }).toEqual({ functionError: undefined, filledMiB: 32 });
    const { decisions, effective } = await sizeOf("rereading");
    expect(decisions.at(-1)).toMatchObject({ condition: "pressure", from: { memoryMiB: 128 } });
    expect(effective.memoryMiB).toBeGreaterThan(128);
  });

  test("a machine holds as much of containers as its shape says, and has a disk for /tmp", async () => {
    expect((await activeInstance()).shape.memoryMiB).toBeGreaterThanOrEqual(1024);
    const { json } = await lambda.invoke("large", { fillMiB: 800 });
    expect(json).toMatchObject({ filledMiB: 800 });
    expect((await lambda.invoke("large", { writeMiB: 64 })).status).toBe(200);
  });

  test("functions reach neither the server's endpoint nor a service of the host", async () => {
    const port = Number(new URL(hearth.url).port);
    const own = Object.values(networkInterfaces())
      .flatMap((each) => each ?? [])
      .filter(({ family, internal }) => family === "IPv4" && !internal)
      .map(({ address }) => address);
    const targets = [["10.0.2.2", 9700], ["10.0.2.2", port], ["169.254.169.254", 80], ...own.map((ip) => [ip, port])];
    const { json } = await lambda.invoke("about", { targets });
    expect(Object.values(json.reached)).toHaveLength(targets.length);
    expect(Object.values(json.reached)).not.toContain("connected");
  });

  test("machines outlive a server that is killed; the next one finds them warm", async () => {
    const before = await lambda.invoke("about");
    const { id } = await activeInstance();
    await hearth.kill();
    expect(machinesOf(id)).toHaveLength(1);
    await hearth.start();
    const after = await lambda.invoke("about");
    expect((await activeInstance()).id).toBe(id);
    expect(after.json.calls).toBe(before.json.calls + 1);
  });

  test("a machine that dies is noticed at once: who was running is answered, the next call has another", async () => {
    const { id } = await activeInstance();
    const running = lambda.invoke("about", { waitMs: 60_000 });
    await eventually(
      () => hearth.pools(),
      ({ instances }) => instances.some(({ containers }) => containers.some(({ state }) => state === "running")),
      NOTICED_MS_MAX,
    );
    // It was adopted: it is no child of this server.
    for (const pid of machinesOf(id)) process.kill(pid, "SIGKILL");
    const pools = await eventually(
      () => hearth.pools(),
      ({ instances }) => instances.every((instance) => instance.id !== id),
      NOTICED_MS_MAX,
    );
    expect(pools.instances.map((instance) => instance.id)).not.toContain(id);
    expect((await running).status).toBe(500);
    expect((await invokeBooted("about")).json.calls).toBe(1);
    expect((await activeInstance()).id).not.toBe(id);
  });

  test("nothing is left when the server is told to end", async () => {
    expect(leftoversOf(join(dataDir, "microvm"))).not.toEqual([]);
    expect(await hearth.stop()).toBe(0);
    expect(await hearth.leftovers()).toEqual([]);
    expect(leftoversOf(join(dataDir, "microvm"))).toEqual([]);
  });
});
