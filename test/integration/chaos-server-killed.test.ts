import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { needsSandbox } from "./sandbox-fixture/requirement.ts";
import { eventually } from "./server-fixture/eventually.ts";
import { HearthProcess } from "./server-fixture/hearth-process.ts";
import { type Answer, LambdaCaller } from "./server-fixture/lambda-caller.ts";

const ROUNDS = 5;
const CALLERS = 4;
const DRAINED_MS_MAX = 40_000;
const TIMEOUT_MS = 150_000;

/**
 * Says when it begins and ends an invocation, and how often that had begun before: in a file where it
 * may write one, else in its log, of which the last lines are lost with the server.
 */
const WITNESS = `#!/bin/sh
api=http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation
headers=$(mktemp)
say() { if [ -n "\${WITNESS_FILE:-}" ]; then echo "$*" >>"$WITNESS_FILE"; else echo "$*"; fi; }
header() { tr -d '\\r' <"$headers" | sed -n "s/^$1: //Ip"; }
while :; do
  curl -sS -D "$headers" -o /dev/null "$api/next" || exit 1
  id=$(header lambda-runtime-aws-request-id)
  retries=$(header hearth-runtime-retries)
  say "BEGAN $id \${retries:-0}"
  say "ENDED $id"
  curl -sS -o /dev/null -d '{}' "$api/$id/response"
done
`;

for (const provider of ["process", "sandbox"] as const) {
  describe(`kill -9 of the server, ${provider}`, provider === "sandbox" ? needsSandbox : {}, () => {
    test("loses no acknowledged function and no accepted event, and marks what runs again", {
      timeout: TIMEOUT_MS,
    }, async () => {
      await using hearth = await HearthProcess.start({ provider, env: { HEARTH_ASYNC_RETRY_SECONDS: "1,1" } });
      const lambda = new LambdaCaller(() => hearth.url);
      const witnessFile = join(hearth.dataDir, "witness");
      await lambda.deploy("witness", {
        runtime: "provided.al2023",
        files: { bootstrap: WITNESS },
        // Each event takes a dozen programs: with less there is too little of a processor for them.
        memoryMiB: 512,
        timeoutS: 10,
        environment: provider === "process" ? { WITNESS_FILE: witnessFile } : {},
      });
      const acknowledged = new Acknowledged();

      for (let round = 0; round < ROUNDS; round++) {
        const load = new Load(lambda, acknowledged, round);
        await load.until(() => load.acknowledgedCount >= 20 + 15 * round);
        await hearth.kill();
        await load.end();
        await hearth.start();
      }
      await eventually(
        () => hearth.status(),
        ({ counts }) => counts.queuedEvents === 0,
        DRAINED_MS_MAX,
      );
      expect((await hearth.status()).counts.queuedEvents).toBe(0);

      for (const [name, description] of acknowledged.functions) {
        const { status, body } = await lambda.request("GET", `/2015-03-31/functions/${name}/configuration`);
        expect([name, status]).toEqual([name, 200]);
        const stored = JSON.parse(body.toString()).Description;
        // The update that was under way when the server died may have been made or not.
        expect(Number(stored), name).toBeGreaterThanOrEqual(description);
        expect(Number(stored), name).toBeLessThanOrEqual(description + 1);
      }
      const seen = provider === "process" ? readFileSync(witnessFile, "utf8") : await hearth.functionLog("witness");
      if (provider === "process") {
        expect(
          acknowledged.events.filter((id) => !seen.includes(`ENDED ${id}`)),
          "lost",
        ).toEqual([]);
      }
      const unmarked: string[] = seen.match(/^BEGAN \S+ 0$/gm) ?? [];
      expect(unmarked.length).toBeGreaterThan(0);
      expect(
        unmarked.filter((line, i) => unmarked.indexOf(line) !== i),
        "ran again without being marked",
      ).toEqual([]);
      expect(await hearth.stop()).toBe(0);
      expect(await hearth.leftovers()).toEqual([]);
    });

    test("adopts running instances: the same container serves again", async () => {
      await using hearth = await HearthProcess.start({ provider });
      const lambda = new LambdaCaller(() => hearth.url);
      const files = { "index.js": "let n = 0; exports.handler = async () => ({ n: ++n, pid: process.pid });" };
      await lambda.deploy("counts", { files });
      expect((await lambda.invoke("counts")).json.n).toBe(1);
      for (const n of [2, 3]) {
        await hearth.kill();
        await hearth.start();
        expect((await lambda.invoke("counts")).json.n).toBe(n);
      }
    });

    test("an execution that the server's death interrupted is finished, and not begun anew", async () => {
      await using hearth = await HearthProcess.start({ provider, env: { HEARTH_ASYNC_RETRY_SECONDS: "1,1" } });
      const lambda = new LambdaCaller(() => hearth.url);
      const files = {
        "index.js": `exports.handler = async () => {
          console.log("BEGAN"); await new Promise((r) => setTimeout(r, 6000)); console.log("ENDED"); };`,
      };
      await lambda.deploy("slow", { files, timeoutS: 30 });
      expect((await lambda.invoke("slow", {}, { type: "Event" })).status).toBe(202);
      await eventually(
        () => hearth.functionLog("slow"),
        (log) => log.includes("BEGAN"),
        20_000,
      );
      await hearth.kill();
      await hearth.start();
      await eventually(
        () => hearth.status(),
        ({ counts }) => counts.queuedEvents === 0,
        30_000,
      );
      const log = await hearth.functionLog("slow");
      expect([log.match(/BEGAN/g)?.length, log.match(/ENDED/g)?.length, log.includes("RETRY")]).toEqual([1, 1, false]);
    });
  });
}

/** What the server said yes to. */
class Acknowledged {
  /** Request ids. */
  readonly events: string[] = [];
  /** By function, the last number that was written into its description. */
  readonly functions = new Map<string, number>();
}

/** Callers that enqueue events, create functions and update them, until the server is gone. */
class Load {
  readonly #callers: Promise<void>[];
  #isOver = false;
  #onAcknowledged = () => {};
  acknowledgedCount = 0;

  constructor(lambda: LambdaCaller, acknowledged: Acknowledged, round: number) {
    const accepted = (answer: Answer, note: () => void) => {
      if (answer.status >= 300) throw new Error(`${answer.status} ${answer.body}`);
      note();
      this.acknowledgedCount++;
      this.#onAcknowledged();
    };
    const enqueue = async () => {
      while (!this.#isOver) {
        const answer = await lambda.invoke("witness", {}, { type: "Event" });
        accepted(answer, () => acknowledged.events.push(answer.requestId));
      }
    };
    const change = async () => {
      for (let i = 0; !this.#isOver; i++) {
        const name = `made-${round}-${i % 10}`;
        const known = acknowledged.functions.get(name);
        if (known === undefined) {
          const files = { "index.js": `exports.handler = async () => ${i};` };
          accepted(await lambda.create(name, { files }), () => acknowledged.functions.set(name, 0));
          await lambda.settled(name);
        } else {
          const path = `/2015-03-31/functions/${name}/configuration`;
          const answer = await lambda.request("PUT", path, JSON.stringify({ Description: String(known + 1) }));
          if (answer.status !== 409) accepted(answer, () => acknowledged.functions.set(name, known + 1));
        }
      }
    };
    this.#callers = [change(), ...Array.from({ length: CALLERS }, enqueue)];
    for (const caller of this.#callers) caller.catch(() => {});
  }

  until(isEnough: () => boolean): Promise<void> {
    const enough = new Promise<void>((resolve) => {
      this.#onAcknowledged = () => isEnough() && resolve();
    });
    return Promise.race([enough, Promise.all(this.#callers).then(() => {})]);
  }

  /** Whatever they were told last was that the connection broke. */
  async end(): Promise<void> {
    this.#isOver = true;
    for (const { reason } of (await Promise.allSettled(this.#callers)) as { reason?: NodeJS.ErrnoException }[]) {
      if (reason !== undefined) expect(reason.code, reason.message).toMatch(/^(ECONNRESET|ECONNREFUSED|EPIPE)$/);
    }
  }
}
