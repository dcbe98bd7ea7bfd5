import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { skipUnless } from "../skip.ts";

/** The command line against a server that it started itself, as a newcomer types it. */
const projectDir = fileURLToPath(new URL("../..", import.meta.url));
const launcher = join(projectDir, "bin/hearth.mjs");

let dir: string;
let server: ChildProcess;
let url: string;

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), "hearth-cli-"));
  const args = [launcher, "up", "--port", "0", "--provider", "process", "--no-examples", "--log-level", "warn"];
  server = spawn(process.execPath, [...args, "--data", join(dir, "data")], { stdio: ["ignore", "pipe", "inherit"] });
  url = await readyUrl(server);
});

afterAll(async () => {
  if (server.exitCode === null) server.kill("SIGKILL");
  rmSync(dir, { recursive: true, force: true });
});

/** From the line `ready http://HOST:PORT`. */
async function readyUrl({ stdout }: ChildProcess): Promise<string> {
  if (stdout === null) throw new Error("standard output is not a pipe");
  for await (const line of createInterface({ input: stdout })) {
    if (line.startsWith("ready ")) return line.slice("ready ".length);
  }
  throw new Error("the server ended before it was ready");
}

async function hearth(...args: string[]): Promise<{ exitCode: number | null; out: string; err: string }> {
  const env = { ...process.env, HEARTH_SERVER: url, HEARTH_DATA: join(dir, "data") };
  const child = spawn(process.execPath, [launcher, ...args], { env, stdio: ["ignore", "pipe", "pipe"] });
  const exit = new Promise<number | null>((resolve) => child.on("close", resolve));
  const [out, err] = await Promise.all([text(child.stdout), text(child.stderr)]);
  return { exitCode: await exit, out, err };
}

function functionFolder(name: string, source: string): string {
  const folder = join(dir, name);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "index.mjs"), source);
  return folder;
}

const node22 = join(projectDir, `node_modules/nodejs22.x-${process.platform}-${process.arch}/bin/node`);

describe("the launcher", () => {
  test(
    "replaces an older Node by the project's own",
    skipUnless(existsSync(node22), "npm did not install Node 22"),
    async () => {
      const child = spawn(node22, [launcher, "--help"], { stdio: ["ignore", "pipe", "pipe"] });
      const [out, err] = await Promise.all([text(child.stdout), text(child.stderr)]);
      expect(out).toContain("Usage: hearth");
      expect(err).toBe("");
    },
  );
});

describe("the command line, end to end", () => {
  test("deploys, lists, invokes, shows the log, updates, removes", async () => {
    const folder = functionFolder(
      "greet",
      "export const handler = async ({ name }) => (console.log('seen', name), 'Hi ' + name);",
    );
    expect(await hearth("deploy", folder)).toMatchObject({ exitCode: 0, err: "" });
    const invoked = await hearth("invoke", "greet", "--payload", '{"name":"Ada"}', "--log");
    expect(invoked).toMatchObject({ exitCode: 0, out: '"Hi Ada"\n' });
    expect(invoked.err).toMatch(/REPORT RequestId: .*Init Duration/);
    expect((await hearth("logs", "greet")).out).toMatch(/INFO\tseen Ada\n.*END RequestId/s);

    functionFolder("greet", "export const handler = async () => process.env.MOOD;");
    expect((await hearth("deploy", folder, "--memory", "256", "--env", "MOOD=fine")).out).toMatch(
      /^updated greet: .*256 MiB/,
    );
    expect((await hearth("invoke", "greet")).out).toBe('"fine"\n');
    expect(JSON.parse((await hearth("list", "--json")).out)).toMatchObject([
      { FunctionName: "greet", MemorySize: 256 },
    ]);

    expect(await hearth("rm", "greet")).toMatchObject({ exitCode: 0, out: "deleted greet\n" });
    expect(await hearth("invoke", "greet")).toMatchObject({ exitCode: 1, out: "" });
  });

  test("what function.json states holds for a function that is there already, too", async () => {
    const code = "export const handler = async () => 'first'; export const other = async () => 'other';";
    const folder = functionFolder("stated", code);
    await hearth("deploy", folder);
    writeFileSync(join(folder, "function.json"), '{"handler":"index.other","runtime":"nodejs22.x"}');
    expect((await hearth("deploy", folder)).out).toMatch(/^updated stated: nodejs22.x, index.other/);
    expect((await hearth("invoke", "stated")).out).toBe('"other"\n');
  });

  test("a failing function's exit code is 3, and its error object is the output", async () => {
    await hearth(
      "deploy",
      functionFolder("fail", "export const handler = async () => { throw new TypeError('no'); };"),
    );
    const failed = await hearth("invoke", "fail");
    expect(failed.exitCode).toBe(3);
    expect(JSON.parse(failed.out)).toMatchObject({ errorType: "TypeError", errorMessage: "no" });
  });

  test("status and pools show where it ran", async () => {
    await hearth("deploy", functionFolder("here", "export const handler = async () => 1;"));
    await hearth("invoke", "here");
    expect((await hearth("status")).out).toMatch(/isolation +process: /);
    expect((await hearth("pools")).out).toMatch(/active pool {2}1 instance\n.*account 000000000000.*here/s);
    const { instances } = JSON.parse((await hearth("pools", "--json")).out);
    expect(instances.map(({ state }: { state: string }) => state)).toContain("active");
  });

  test("an account's key acts for that account, and may not use the admin API", async () => {
    const { accountId } = JSON.parse((await hearth("account", "create", "team", "--json")).out);
    const key = JSON.parse((await hearth("account", "key", accountId, "--json")).out);
    process.env["HEARTH_ACCESS_KEY_ID"] = key.accessKeyId;
    process.env["HEARTH_SECRET_ACCESS_KEY"] = key.secretAccessKey;
    try {
      expect(JSON.parse((await hearth("list", "--json")).out)).toEqual([]);
      expect((await hearth("status")).err).toContain("AccessDeniedException");
    } finally {
      delete process.env["HEARTH_ACCESS_KEY_ID"];
      delete process.env["HEARTH_SECRET_ACCESS_KEY"];
    }
  });

  test("status counts the functions of all accounts", async () => {
    const { counts: before } = JSON.parse((await hearth("status", "--json")).out);
    const { accountId } = JSON.parse((await hearth("account", "create", "counted", "--json")).out);
    const key = JSON.parse((await hearth("account", "key", accountId, "--json")).out);
    process.env["HEARTH_ACCESS_KEY_ID"] = key.accessKeyId;
    process.env["HEARTH_SECRET_ACCESS_KEY"] = key.secretAccessKey;
    try {
      await hearth("deploy", functionFolder("counted", "export const handler = async () => 1;"));
    } finally {
      delete process.env["HEARTH_ACCESS_KEY_ID"];
      delete process.env["HEARTH_SECRET_ACCESS_KEY"];
    }
    const [functions, accounts] = [before.functions + 1, before.accounts + 1];
    expect((await hearth("status")).out).toMatch(new RegExp(`^functions +${functions} of ${accounts} accounts$`, "m"));
  });

  test("a second server on the same port or data is refused with a remedy", async () => {
    const port = new URL(url).port;
    const options = ["--provider", "process", "--no-examples", "--log-level", "silent"];
    const samePort = await hearth("up", "--port", port, "--data", join(dir, "other"), ...options);
    expect(samePort).toMatchObject({ exitCode: 1 });
    expect(samePort.err).toContain("choose another with --port");
    const sameData = await hearth("up", "--port", "0", "--data", join(dir, "data"), ...options);
    expect(sameData).toMatchObject({ exitCode: 1 });
    expect(sameData.err).toContain("Another Hearth server uses this data directory");
  });

  test("a data folder whose place a file has is named, with what to choose", async () => {
    const options = ["--port", "0", "--provider", "process", "--no-examples", "--log-level", "silent"];
    writeFileSync(join(dir, "file"), "");
    for (const data of [join(dir, "file"), join(dir, "file", "below")]) {
      const refused = await hearth("up", "--data", data, ...options);
      expect(refused).toMatchObject({ exitCode: 1 });
      expect(refused.err).toMatch(/file is in its place: .*\n {7}choose another with --data\n$/);
      expect(refused.err).toContain(`the data folder ${data} cannot be made`);
    }
  });

  test("a port for joined machines that is taken is named, and leaves nothing that keeps the process", async () => {
    const taken = createServer().listen(0, "127.0.0.1");
    await once(taken, "listening");
    const agentPort = String((taken.address() as AddressInfo).port);
    const options = ["--provider", "process,static", "--no-examples", "--log-level", "silent"];
    const where = [
      "--port",
      "0",
      "--data",
      join(dir, "joined"),
      "--agent-host",
      "127.0.0.1",
      "--agent-port",
      agentPort,
    ];
    const refused = await hearth("up", ...where, ...options);
    taken.close();
    expect(refused).toMatchObject({ exitCode: 1 });
    expect(refused.err).toContain(`port ${agentPort} on 127.0.0.1, for joined machines, is in use`);
    expect(refused.err).toContain("choose another with --agent-port");
  });

  test("an address for joined machines that this machine does not have is named, with its own option", async () => {
    const options = ["--provider", "process,static", "--no-examples", "--log-level", "silent"];
    // Of a net that is for documentation (RFC 5737).
    const where = ["--port", "0", "--data", join(dir, "elsewhere"), "--agent-host", "192.0.2.1", "--agent-port", "0"];
    const refused = await hearth("up", ...where, ...options);
    expect(refused).toMatchObject({ exitCode: 1 });
    expect(refused.err).toContain("192.0.2.1, for joined machines, is no address of this machine");
    expect(refused.err).toContain("choose another with --agent-host");
  });

  test("it serves on when nobody reads what it says any more, and ends in order then", async () => {
    const options = ["--port", "0", "--provider", "process", "--no-examples", "--log-level", "silent"];
    const child = spawn(process.execPath, [launcher, "up", ...options, "--data", join(dir, "unread")], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    const exit = new Promise((resolve) => child.on("exit", (code, signal) => resolve({ code, signal })));
    const own = await readyUrl(child);
    child.stdout?.destroy();
    child.stderr?.destroy();
    expect((await fetch(`${own}/healthz`)).status).toBe(200);
    child.kill("SIGTERM");
    expect(await exit).toEqual({ code: 0, signal: null });
  });

  test("SIGTERM while it tries out its examples ends it with code 0, and is no error", async () => {
    const args = [launcher, "up", "--port", "0", "--provider", "process", "--log-level", "error"];
    const child = spawn(process.execPath, [...args, "--data", join(dir, "tried")], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    const errors = text(child.stderr);
    const exit = new Promise((resolve) => child.on("exit", (code, signal) => resolve({ code, signal })));
    await readyUrl(child);
    child.kill("SIGTERM");
    expect(await exit).toEqual({ code: 0, signal: null });
    expect(await errors).toBe("SIGTERM: finishing what runs, for up to 10 s (again to stop at once)\n");
  });

  test("SIGTERM ends it with code 0, also when it comes again until the end", async () => {
    const exit = new Promise((resolve) => server.on("exit", (code, signal) => resolve({ code, signal })));
    const signals = setInterval(() => server.kill("SIGTERM"), 1);
    void exit.then(() => clearInterval(signals));
    expect(await exit).toEqual({ code: 0, signal: null });
    expect((await hearth("status")).err).toContain(`no server at ${url}`);
  });
});
