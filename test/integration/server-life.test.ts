import { describe, expect, test } from "vitest";
import { needsSandbox } from "./sandbox-fixture/requirement.ts";
import { HearthProcess } from "./server-fixture/hearth-process.ts";
import { LambdaCaller } from "./server-fixture/lambda-caller.ts";

const WAIT = 'exports.handler = async ({ ms }) => { await new Promise((r) => setTimeout(r, ms)); return "waited"; };';
const ALL_RUNTIMES = {
  "nodejs22.x": { "index.js": 'exports.handler = async () => "answered";' },
  "nodejs24.x": { "index.mjs": 'export const handler = async () => "answered";' },
  "provided.al2023": {
    bootstrap: `#!/bin/sh
api=http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation
while :; do
  id=$(curl -sS -D - -o /dev/null "$api/next" | tr -d '\\r' | sed -n 's/^lambda-runtime-aws-request-id: //Ip')
  curl -sS -o /dev/null -d '"answered"' "$api/$id/response"
done
`,
  },
} as const;

for (const provider of ["process", "sandbox"] as const) {
  describe(`hearth up --provider ${provider}`, provider === "sandbox" ? needsSandbox : {}, () => {
    test("ends cleanly on SIGTERM while invocations run, keeps what was deployed, and leaves nothing behind", async () => {
      await using hearth = await HearthProcess.start({ provider });
      const lambda = new LambdaCaller(() => hearth.url);
      await lambda.deploy("wait", { files: { "index.js": WAIT }, timeoutS: 30 });
      for (const [runtime, files] of Object.entries(ALL_RUNTIMES)) {
        const name = runtime.replaceAll(".", "-");
        await lambda.deploy(name, { runtime, files });
        expect((await lambda.invoke(name)).json).toBe("answered");
      }

      const running = Promise.all([lambda.invoke("wait", { ms: 3000 }), lambda.invoke("wait", { ms: 3000 })]);
      while ((await hearth.status()).counts.runningInvocations < 2);
      hearth.signal("SIGTERM");
      while (!hearth.log.includes("finishing what runs")) await new Promise(setImmediate);
      // Told so, or not even connected: it no longer listens.
      const late = new LambdaCaller(() => hearth.url).invoke("wait", { ms: 1 });
      const refusal = await late.then(
        ({ errorType }) => errorType,
        ({ code }) => code,
      );
      expect(["ServiceException", "ECONNREFUSED", "ECONNRESET"]).toContain(refusal);
      expect((await running).map(({ json }) => json)).toEqual(["waited", "waited"]);
      const answeredMs = performance.now();
      expect(await hearth.exited()).toBe(0);
      // Callers that keep their connections open do not make it wait out the grace of 10 s.
      expect(performance.now() - answeredMs).toBeLessThan(6000);
      expect(await hearth.leftovers()).toEqual([]);

      await hearth.start();
      expect((await lambda.invoke("nodejs24-x")).json).toBe("answered");
      expect(await hearth.stop()).toBe(0);
      expect(await hearth.leftovers()).toEqual([]);
    });

    test("a second signal cuts short what runs", async () => {
      await using hearth = await HearthProcess.start({ provider });
      const lambda = new LambdaCaller(() => hearth.url);
      await lambda.deploy("wait", { files: { "index.js": WAIT }, timeoutS: 60 });
      const cut = lambda.invoke("wait", { ms: 50_000 }).then(
        ({ errorType }) => errorType,
        (error) => error.code,
      );
      while ((await hearth.status()).counts.runningInvocations < 1);
      hearth.signal("SIGTERM");
      while (!hearth.log.includes("finishing what runs")) await new Promise(setImmediate);
      const signalledMs = performance.now();
      hearth.signal("SIGTERM");
      expect(["ECONNRESET", "ServiceException"]).toContain(await cut);
      expect(await hearth.exited()).toBe(0);
      expect(performance.now() - signalledMs, "it waited out the grace of 10 s").toBeLessThan(8000);
      expect(await hearth.leftovers()).toEqual([]);
    });

    test("refuses a data directory that another server uses", async () => {
      await using hearth = await HearthProcess.start({ provider });
      await expect(HearthProcess.start({ provider, dataDir: hearth.dataDir })).rejects.toThrow(/Another Hearth server/);
      expect((await fetch(`${hearth.url}/healthz`)).status).toBe(200);
    });
  });
}
