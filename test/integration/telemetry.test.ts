import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ExtensionBench } from "./extension-fixture/extension-bench.ts";
import { nodeExtension } from "./extension-fixture/programs.ts";
import { needsSandbox } from "./sandbox-fixture/requirement.ts";

type Told = { readonly time: string; readonly type: string; readonly record: Record<string, unknown> | string };

const PORT = 4243;
const SPEAKER = `
console.log("in init");
export const handler = async (event) => { console.log("hello\\nagain", event.n); process.stdout.write("a\\nb\\n"); return event; };
`;

/** JavaScript of an extension that subscribes and writes what it gets to its log. */
function listener(
  host: string,
  request: object,
  receive = "say('got', JSON.stringify(record));",
  path = "2022-07-01/telemetry",
) {
  return `
  const take = (record) => { ${receive} };
  const server = require("node:http").createServer((asked, answer) => {
    let body = "";
    asked.on("data", (data) => { body += data; });
    asked.on("end", () => { answer.end(); JSON.parse(body).forEach(take); });
  });
  const lines = require("node:net").createServer((socket) => {
    require("node:readline").createInterface({ input: socket }).on("line", (line) => take(JSON.parse(line)));
  });
  await new Promise((resolve) => server.listen(${PORT}, ${JSON.stringify(host)}, resolve));
  await new Promise((resolve) => lines.listen(${PORT + 1}, ${JSON.stringify(host)}, resolve));
  const put = await fetch("http://" + process.env.AWS_LAMBDA_RUNTIME_API + "/${path}", {
    method: "PUT", headers: { "Lambda-Extension-Identifier": id }, body: ${JSON.stringify(JSON.stringify(request))},
  });
  say("subscribed", put.status, await put.text());`;
}

const HTTP = { protocol: "HTTP", URI: `http://sandbox.localdomain:${PORT}` };
const TCP = { protocol: "TCP", port: PORT + 1 };
const BUFFERING = { timeoutMs: 25, maxBytes: 262_144, maxItems: 1000 };

describe.each(["process", "sandbox"] as const)("telemetry, provider %s", (kind) => {
  describe("in real containers", kind === "sandbox" ? needsSandbox : {}, () => {
    let bench: ExtensionBench;
    const host = kind === "sandbox" ? "sandbox.localdomain" : "127.0.0.1";

    beforeAll(async () => {
      bench = await ExtensionBench.start(kind);
    });
    afterAll(() => bench?.stop());

    async function observe(atInit: string, runs = 1, atEvent = "") {
      const program = nodeExtension(bench.nodePath, { atInit, atEvent });
      const f = await bench.deploy({ files: { "index.mjs": SPEAKER }, timeoutMs: 30_000 }, { watcher: program });
      const results = [];
      for (let n = 0; n < runs; n += 1) results.push(await f.run({ n }));
      bench.harness.send({ kind: "destroyContainer", containerId: f.containerId });
      await f.gone();
      const log = f.logs();
      const told = [...log.matchAll(/^watcher got (.*)$/gm)].map((match) => JSON.parse(match[1] as string) as Told);
      return { log, told, results };
    }

    test("tells the whole life over HTTP, init from its beginning", async () => {
      const request = {
        schemaVersion: "2022-12-13",
        types: ["platform", "function"],
        destination: HTTP,
        buffering: BUFFERING,
      };
      const { log, told, results } = await observe(listener(host, request));
      const [result] = results;
      expect(log).toContain('watcher subscribed 200 "OK"\n');
      // The subscription comes while the runtime initialises; everything else has its order.
      const types = told.map(({ type }) => type).filter((type) => type !== "platform.telemetrySubscription");
      expect(types).toEqual([
        "platform.initStart",
        "function",
        "platform.initRuntimeDone",
        "platform.extension",
        "platform.initReport",
        "platform.start",
        ...["function", "function", "function"],
        "platform.runtimeDone",
        "platform.report",
      ]);
      const record = (type: string) => told.find((one) => one.type === `platform.${type}`)?.record;
      expect(record("initStart")).toMatchObject({
        initializationType: "on-demand",
        phase: "init",
        functionVersion: "$LATEST",
      });
      expect(record("telemetrySubscription")).toEqual({
        name: "watcher",
        state: "Subscribed",
        types: ["platform", "function"],
      });
      expect(record("initRuntimeDone")).toEqual({ initializationType: "on-demand", phase: "init", status: "success" });
      expect(record("extension")).toEqual({ name: "watcher", state: "Ready", events: ["INVOKE", "SHUTDOWN"] });
      const requestId = result?.invocationId;
      expect(record("start")).toMatchObject({ requestId, version: "$LATEST", tracing: { value: "Root=1-0-0" } });
      expect(record("runtimeDone")).toMatchObject({ requestId, status: "success", metrics: { producedBytes: 7 } });
      expect(record("report")).toMatchObject({ requestId, status: "success", metrics: { memorySizeMB: 256 } });
      const { metrics } = record("report") as { metrics: Record<string, number> };
      expect(metrics["durationMs"]).toBeCloseTo((result?.wallUs as number) / 1000, 3);
      expect(metrics["initDurationMs"]).toBeCloseTo((result?.initUs as number) / 1000, 3);
      expect(told.filter(({ type }) => type === "function").map((one) => one.record)).toEqual([
        expect.stringMatching(/INFO\tin init\n$/),
        expect.stringMatching(/INFO\thello\nagain 0\n$/),
        "a",
        "b",
      ]);
    });

    test("tells lines over TCP, and the Logs API its older records", async () => {
      const request = { types: ["platform", "function", "extension"], destination: TCP, buffering: BUFFERING };
      const only =
        "if (record.type !== 'extension') say('got', JSON.stringify(record)); else if (record.record.includes('plain')) say('mine'); if (record.type === 'platform.report' && ++reports === 2) hasAll();";
      const atInit = `let reports = 0, hasAll; const all = new Promise((resolve) => { hasAll = resolve; });
        ${listener(host, request, only, "2020-08-15/logs")} say("plain");`;
      // Lines over TCP are on their way when the kernel has them: a subscriber that leaves at once would not read them.
      const { log, told } = await observe(atInit, 2, "if (event.eventType === 'SHUTDOWN') await all;");
      const types = told.map(({ type }) => type);
      expect(types).toContain("platform.logsSubscription");
      expect(types.filter((type) => type !== "platform.logsSubscription")).toEqual([
        "function",
        "platform.extension",
        ...["platform.start", "function", "function", "function", "platform.end", "platform.report"],
        ...["platform.start", "function", "function", "function", "platform.end", "platform.report"],
      ]);
      expect(log).toContain("watcher mine\n");
    });

    test("refuses what Lambda refuses", async () => {
      const refused = listener(host, { schemaVersion: "1999-01-01", types: ["platform"], destination: HTTP });
      const { log } = await observe(
        `${refused}
        const stranger = { "Lambda-Extension-Identifier": "01234567-89ab-cdef-0123-456789abcdef" };
        const other = await fetch("http://" + process.env.AWS_LAMBDA_RUNTIME_API + "/2022-07-01/telemetry", { method: "PUT", headers: stranger, body: "{}" });
        say("stranger", other.status, await other.text());
`,
        1,
        `const late = await fetch("http://" + process.env.AWS_LAMBDA_RUNTIME_API + "/2022-07-01/telemetry", { method: "PUT", headers: { "Lambda-Extension-Identifier": id }, body: "{}" });
        say("late", late.status, await late.text());`,
      );
      expect(log).toContain('watcher subscribed 400 {"errorMessage":"schemaVersion must be one of');
      expect(log).toContain("watcher stranger 403");
      expect(log).toContain("Extension.UnknownExtensionIdentifier");
      expect(log).toMatch(/watcher late 403 .*"Telemetry.SubscriptionClosed"/);
    });

    test("of a subscriber that does not read is bounded, and does not hold up the function", async () => {
      const deaf = `
        await new Promise((resolve) => require("node:net").createServer(() => {}).listen(${PORT}, ${JSON.stringify(host)}, resolve));
        const put = await fetch("http://" + process.env.AWS_LAMBDA_RUNTIME_API + "/2022-07-01/telemetry", {
          method: "PUT", headers: { "Lambda-Extension-Identifier": id },
          body: ${JSON.stringify(JSON.stringify({ schemaVersion: "2022-12-13", types: ["function"], destination: HTTP, buffering: BUFFERING }))},
        });
        say("subscribed", put.status);`;
      const loud = `export const handler = async () => { for (let n = 0; n < 3000; n++) console.log("x".repeat(1000)); return "done"; };`;
      const program = nodeExtension(bench.nodePath, { atInit: deaf });
      const f = await bench.deploy({ files: { "index.mjs": loud }, timeoutMs: 30_000 }, { watcher: program });
      for (let n = 0; n < 3; n += 1) expect(await f.run()).toMatchObject({ outcome: "ok", payload: '"done"' });
      const beganMs = performance.now();
      bench.harness.send({ kind: "destroyContainer", containerId: f.containerId });
      await f.gone();
      expect(performance.now() - beganMs).toBeLessThan(8000);
      expect(f.logs()).toContain("watcher subscribed 200\n");
    });

    // Without isolation there is one loopback address for all.
    if (kind === "process") return;

    test("reaches each of two containers that listen on the same port", async () => {
      const request = { schemaVersion: "2025-01-29", types: ["function"], destination: HTTP, buffering: BUFFERING };
      const program = nodeExtension(bench.nodePath, { atInit: listener(host, request) });
      const deployed = [];
      for (const name of ["one", "two"]) {
        const text = `export const handler = async () => { console.log("I am ${name}"); };`;
        const f = await bench.deploy({ files: { "index.mjs": text }, timeoutMs: 30_000 }, { watcher: program });
        expect(await f.run()).toMatchObject({ outcome: "ok" });
        deployed.push({ f, name });
      }
      for (const { f, name } of deployed) {
        bench.harness.send({ kind: "destroyContainer", containerId: f.containerId });
        await f.gone();
        const told =
          f
            .logs()
            .match(/^watcher got .*$/gm)
            ?.join() ?? "";
        expect(told).toContain(`I am ${name}`);
        expect(told.match(/I am/g)).toHaveLength(1);
      }
    });
  });
});
