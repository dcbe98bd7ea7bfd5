import { type ChildProcess, spawn } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Duplex } from "node:stream";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { afterEach, describe, expect, test } from "vitest";
import { refuseUnknown } from "../../src/agent/api-answer.ts";
import { createRuntimeApi, type RuntimeApi } from "../../src/agent/runtime-api.ts";
import { exportLines } from "../../src/agent/shell-quoting.ts";
import { skipUnless } from "../skip.ts";

const SHIM = fileURLToPath(new URL("../../src/runtimes/custom/custom-runtime.sh", import.meta.url));
const EXAMPLE = fileURLToPath(new URL("../../examples/shell-bootstrap", import.meta.url));
const PATH = "/usr/local/bin:/usr/bin:/bin";

const closers: (() => void | Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

function folderWith(files: Readonly<Record<string, string>>, mode = 0o755): string {
  const folder = mkdtempSync(join(tmpdir(), "hearth-custom-test-"));
  closers.push(() => rmSync(folder, { recursive: true }));
  for (const [name, text] of Object.entries(files)) {
    writeFileSync(join(folder, name), text);
    chmodSync(join(folder, name), mode);
  }
  return folder;
}

/** The shim under one shell, with the agent's end of its channel. */
function start(shell: string) {
  const child: ChildProcess = spawn(shell, [SHIM], { stdio: ["ignore", "pipe", "pipe", "pipe"], env: { PATH } });
  const channel = child.stdio[3] as Duplex;
  channel.on("error", () => {});
  const text = { stdout: "", stderr: "", channel: "" };
  child.stdout?.on("data", (chunk) => (text.stdout += chunk));
  child.stderr?.on("data", (chunk) => (text.stderr += chunk));
  channel.on("data", (chunk) => (text.channel += chunk));
  const exited = new Promise<number | null>((resolve) => child.on("close", resolve));
  closers.push(async () => {
    child.kill("SIGKILL");
    // What the bootstrap started may hold these open for longer.
    for (const stream of [channel, child.stdout, child.stderr]) stream?.destroy();
    await exited;
  });
  const run = (environment: Record<string, string>) => channel.write(`${exportLines(environment)}run\n`);
  return { channel, text, exited, run };
}

/** A Runtime API whose answers come as a queue. */
async function openApi(): Promise<{ api: RuntimeApi; answer: () => Promise<readonly [string, string]> }> {
  const answers: (readonly [string, string])[] = [];
  const api = await createRuntimeApi({
    hostUid: undefined,
    onReady: () => {},
    onChunk: () => {},
    onResponse: (_id, body) => answers.push(["response", body.toString()]),
    onError: (_id, body) => answers.push(["error", body.toString()]),
    onInitError: (body) => answers.push(["initError", body.toString()]),
    onOther: refuseUnknown,
  });
  closers.push(() => api.close());
  const answer = async () => {
    await expect.poll(() => answers.length, { timeout: 5000 }).toBeGreaterThan(0);
    return answers.shift() ?? ["", ""];
  };
  return { api, answer };
}

function offer(api: RuntimeApi, requestId: string, payload: string): void {
  const deadlineMs = Date.now() + 3000;
  api.offer({
    requestId,
    deadlineMs,
    invokedArn: "arn:f",
    traceId: "Root=1",
    retries: 0,
    payload: Buffer.from(payload),
  });
}

describe.each(["dash", "bash"])("the shim under %s", (shell) => {
  test("waits blank, then becomes the function's bootstrap with exactly its environment", async () => {
    const folder = folderWith({ bootstrap: `#!/bin/sh\npwd\nprintf '%s' "$ODD" >&2\nenv | grep -c hearth_\n` });
    const { text, exited, run } = start(shell);
    await expect.poll(() => text.channel).toBe("blank\n");
    const odd = 'it\'s "odd"\n$HOME `id`\nrun\n\n\\ ü ';
    run({ PATH, LAMBDA_TASK_ROOT: folder, ODD: odd });
    expect(await exited).toBe(1);
    expect(text).toEqual({ stdout: `${folder}\n0\n`, stderr: odd, channel: "blank\n" });
  });

  test("takes lines that came in small pieces, and quoted values over several lines", async () => {
    const folder = folderWith({ bootstrap: '#!/bin/sh\nprintf %s "$A"\n' });
    const { channel, text, exited } = start(shell);
    for (const piece of ["exp", `ort LAMBDA_TASK_ROOT='${folder}'\nexport A='one\n`, "two'\nru", "n\n"]) {
      await new Promise((resolve) => channel.write(piece, resolve));
    }
    expect(await exited).toBe(0);
    expect(text.stdout).toBe("one\ntwo");
  });

  test("keeps every value as it is", async () => {
    const folder = folderWith({ bootstrap: '#!/bin/sh\nprintf %s "$VALUE"\n' });
    const value = fc.string({ unit: fc.constantFrom("'", '"', "\\", "\n", " ", "$", "`", "run", "ü", "a", "\t", "!") });
    await fc.assert(
      fc.asyncProperty(value, async (VALUE) => {
        const { text, exited, run } = start(shell);
        run({ LAMBDA_TASK_ROOT: folder, VALUE });
        expect(await exited).toBe(0);
        expect(text.stdout).toBe(VALUE);
      }),
      { numRuns: 25 },
    );
  });

  test("ends when the agent goes away", async () => {
    const { channel, text, exited } = start(shell);
    await expect.poll(() => text.channel).toBe("blank\n");
    channel.end();
    expect(await exited).toBe(0);
  });

  const refusals: [name: string, files: Record<string, string>, mode: number, status: number, says: RegExp][] = [
    [
      "none",
      {},
      0o755,
      127,
      /^Runtime\.InvalidEntrypoint: Couldn't find valid bootstrap\(s\): \[\S+\/bootstrap \/opt\/bootstrap\]\n$/,
    ],
    ["not executable", { bootstrap: "#!/bin/sh\n" }, 0o644, 126, /^Runtime\.InvalidEntrypoint: \S+ is not executable/],
  ];
  test.each(refusals)("says what is wrong with the bootstrap: %s", async (_name, files, mode, status, says) => {
    const { text, exited, run } = start(shell);
    run({ LAMBDA_TASK_ROOT: folderWith(files, mode) });
    expect(await exited).toBe(status);
    expect(text.stderr).toMatch(says);
  });

  test("lets the agent see the end of everything that the bootstrap started", async () => {
    const folder = folderWith({ bootstrap: "#!/bin/sh\n(read line; echo child ended) &\nexit 0\n" });
    const { channel, run } = start(shell);
    const ended = new Promise((resolve) => channel.on("end", () => resolve("end")));
    run({ PATH, LAMBDA_TASK_ROOT: folder });
    expect(await ended).toBe("end");
  });
});

describe("custom runtimes", () => {
  test("the shell example answers, and reports its own errors", async () => {
    const { api, answer } = await openApi();
    const { run } = start("sh");
    run({
      PATH,
      LAMBDA_TASK_ROOT: EXAMPLE,
      TMPDIR: folderWith({}),
      AWS_LAMBDA_RUNTIME_API: `127.0.0.1:${api.port}`,
      _HANDLER: "greet",
    });
    offer(api, "first", '{"name":"Ada"}');
    const [kind, body] = await answer();
    expect(kind).toBe("response");
    expect(JSON.parse(body)).toMatchObject({ message: expect.stringContaining("Ada"), requestId: "first" });
    offer(api, "second", "{}");
    expect((await answer())[0]).toBe("error");
    offer(api, "third", '{"name":"Bo"}');
    expect(JSON.parse((await answer())[1])).toMatchObject({ requestId: "third" });
  });

  test("any binary can be the bootstrap", skipUnless(process.platform !== "win32", "needs a shebang"), async () => {
    const { api, answer } = await openApi();
    const script = `#!${process.execPath}
      const url = "http://" + process.env.AWS_LAMBDA_RUNTIME_API + "/2018-06-01/runtime/invocation/";
      for (;;) {
        const next = await fetch(url + "next");
        const event = await next.json();
        const id = next.headers.get("lambda-runtime-aws-request-id");
        await fetch(url + id + "/response", { method: "POST", body: JSON.stringify({ got: event, handler: process.env._HANDLER }) });
      }`;
    const folder = folderWith({ bootstrap: script, "package.json": '{"type":"module"}' });
    const { run } = start("sh");
    run({ PATH, LAMBDA_TASK_ROOT: folder, AWS_LAMBDA_RUNTIME_API: `127.0.0.1:${api.port}`, _HANDLER: "any.thing" });
    for (const n of [1, 2, 3]) {
      offer(api, `id-${n}`, JSON.stringify({ n, text: "ü".repeat(n * 100_000) }));
      const [, body] = await answer();
      expect(JSON.parse(body)).toMatchObject({ got: { n }, handler: "any.thing" });
    }
  });
});
