import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { PassThrough, Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { HearthError } from "../model/error-code.ts";
import { runCli } from "./cli.ts";
import type { Verbs } from "./cli-context.ts";
import { Terminal } from "./terminal.ts";

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(`${tmpdir()}/hearth-cli-`);
});
afterEach(() => rmSync(dir, { recursive: true }));

type Run = { readonly exitCode: number; readonly out: string; readonly err: string };

async function run(
  args: string[],
  options: { verbs?: Partial<Verbs>; server?: string; stdin?: string } = {},
): Promise<Run> {
  const stdout = new PassThrough();
  const stderr = new PassThrough();
  const verbs: Verbs = {
    up: async () => {},
    agent: async () => undefined,
    buildImage: () => Promise.reject(new Error("no image is made here")),
    simulate: async () => 0,
    ...options.verbs,
  };
  const exitCode = await runCli(args, {
    // Nothing listens on port 1: it is reserved and needs privileges.
    env: { HEARTH_DATA: dir, HEARTH_SERVER: options.server ?? "http://127.0.0.1:1" },
    stdin: Readable.from([options.stdin ?? ""].map((bytes) => Buffer.from(bytes))),
    version: "9.8.7",
    terminal: new Terminal(stdout as unknown as NodeJS.WriteStream, stderr as unknown as NodeJS.WriteStream),
    verbs,
  });
  stdout.end();
  stderr.end();
  return { exitCode, out: await text(stdout), err: await text(stderr) };
}

describe("usage", () => {
  test("help teaches every command with examples", async () => {
    const { exitCode, out } = await run(["--help"]);
    expect(exitCode).toBe(0);
    const commands = [
      "up",
      "status",
      "deploy",
      "list",
      "invoke",
      "logs",
      "rm",
      "pools",
      "waits",
      "explain",
      "costs",
      "account",
      "simulate",
    ];
    for (const command of commands) {
      expect(out).toContain(`\n  ${command}`);
      expect((await run([command, "--help"])).out).toContain("Examples:");
    }
    expect((await run(["--version"])).out).toBe("9.8.7\n");
  });

  test("a misspelt command or option is answered with the right one", async () => {
    const command = await run(["stauts"]);
    expect(command).toMatchObject({ exitCode: 2, out: "" });
    expect(command.err).toContain("Did you mean status?");
    expect((await run(["up", "--prot", "1"])).err).toContain("--port");
  });

  test("programs get errors as JSON, of the usage too", async () => {
    const { exitCode, err } = await run(["stauts", "--json"]);
    expect(exitCode).toBe(2);
    expect(JSON.parse(err)).toMatchObject({ error: { code: "Usage" } });
  });

  test("nothing is coloured where there is no terminal", async () => {
    const { out, err } = await run(["status"]);
    expect(out + err).not.toContain("\u001b");
  });
});

describe("up and simulate", () => {
  test("are given what the command line says", async () => {
    const asked: unknown[] = [];
    const verbs: Partial<Verbs> = {
      up: async (options) => void asked.push(options.port),
      simulate: async (args) => {
        asked.push(args);
        return 1;
      },
    };
    expect(await run(["up", "--port", "0"], { verbs })).toMatchObject({ exitCode: 0 });
    expect(await run(["simulate", "--seed", "7", "--trace"], { verbs })).toMatchObject({ exitCode: 1 });
    expect(asked).toEqual([0, ["--seed", "7", "--trace"]]);
    const none = await run(["simulate", "--worlds", "0", "--json"], { verbs });
    expect(none.exitCode).toBe(2);
    expect(JSON.parse(none.err)).toMatchObject({ error: { message: "--worlds 0 is too small" } });
    expect(asked).toHaveLength(2);
  });

  test("help and README name every option of `up` and its variable", async () => {
    const { out } = await run(["up", "--help"]);
    const [source, readme] = ["up-options.ts", "../../README.md"].map((path) =>
      readFileSync(new URL(path, import.meta.url), "utf8"),
    );
    const named = new Set(source?.match(/(?<=")(--[a-z0-9-]+|HEARTH_[A-Z0-9_]+)(?=")/g));
    expect(named.size).toBeGreaterThan(40);
    for (const name of named) {
      expect(out).toMatch(new RegExp(`${name}(?![\\w-])`));
      expect(readme).toMatch(new RegExp(`${name}(?![\\w-])`));
    }
  });

  test("a port in use, and a failure with a code, are told with their remedy", async () => {
    const failing = (error: unknown) => ({ verbs: { up: () => Promise.reject(error) } });
    const inUse = await run(["up"], failing(Object.assign(new Error("listen"), { code: "EADDRINUSE" })));
    expect(inUse).toMatchObject({ exitCode: 1 });
    expect(inUse.err).toMatch(/port 9600 on 127.0.0.1 is in use\n.*--port/);
    const low = Object.assign(new Error("listen"), { code: "EACCES", address: "0.0.0.0", port: 80 });
    const forbidden = await run(["up", "--agent-port", "80"], failing(low));
    expect(forbidden.err).toMatch(/port 80, for joined machines, is not allowed.*\n.*--agent-port/);
    expect((await run(["up", "--host", "0.0.0.0", "--port", "80"], failing(low))).err).toMatch(
      /port 80 or.*\n.*--port/,
    );
    const taken = await run(["up"], failing(new HearthError("DATA_IN_USE", "here")));
    expect(taken.exitCode).toBe(1);
    expect(taken.err).toContain("Another Hearth server uses this data directory");
    const cause = Object.assign(new Error("EACCES: permission denied, mkdir '/srv/x'"), { code: "EACCES" });
    const others = await run(["up", "--data", "/srv/x"], failing(new HearthError("STORE_FAILED", "x", { cause })));
    expect(others.exitCode).toBe(1);
    expect(others.err).toMatch(/the data folder \/srv\/x is not allowed for this user: EACCES.*\n.*--data/);
    expect(others.err).not.toContain("free space");
  });
});

describe("talking to a server", () => {
  test("none there: says so, and how to start one", async () => {
    const { exitCode, err } = await run(["list"]);
    expect(exitCode).toBe(1);
    expect(err).toContain("no server at http://127.0.0.1:1\n");
    expect(err).toContain("npm start");
  });

  describe("that answers", () => {
    let server: Server;
    let url: string;
    let answer: { status: number; headers?: Record<string, string>; body: string };
    let asked: {
      method: string | undefined;
      url: string | undefined;
      headers: NodeJS.Dict<string | string[]>;
      body: string;
    };

    beforeEach(async () => {
      server = createServer(async (req, res) => {
        asked = {
          method: req.method,
          url: req.url,
          headers: req.headers,
          body: String(Buffer.concat(await req.toArray())),
        };
        res.writeHead(answer.status, answer.headers).end(answer.body);
      });
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    });
    afterEach(() => {
      server.closeAllConnections();
      server.close();
    });

    test("a function's answer goes out as it is", async () => {
      answer = { status: 200, body: '{"b": 2}' };
      const invoked = await run(["invoke", "f:1", "--payload", "-"], { server: url, stdin: '{"a":1}' });
      expect(invoked).toEqual({ exitCode: 0, out: '{"b": 2}\n', err: "" });
      expect(asked).toMatchObject({ method: "POST", url: "/2015-03-31/functions/f%3A1/invocations", body: '{"a":1}' });
      expect(asked.headers["authorization"]).toBeUndefined();
    });

    test("a function's failure has an exit code of its own", async () => {
      const log = Buffer.from("START\n").toString("base64");
      const headers = { "x-amz-function-error": "Unhandled", "x-amz-log-result": log };
      answer = { status: 200, headers, body: '{"errorType":"Error"}' };
      const invoked = await run(["invoke", "f", "--log"], { server: url });
      expect(invoked).toEqual({ exitCode: 3, out: '{"errorType":"Error"}\n', err: "START\nthe function failed\n" });
      const { out } = await run(["invoke", "f", "--json"], { server: url });
      expect(JSON.parse(out)).toMatchObject({ functionError: "Unhandled", payload: { errorType: "Error" } });
    });

    test("a refusal is told by its public name, with the remedy", async () => {
      const headers = { "x-amzn-errortype": "ResourceNotFoundException" };
      answer = { status: 404, headers, body: '{"Message":"Function not found: f"}' };
      const { exitCode, err } = await run(["rm", "f"], { server: url });
      expect(exitCode).toBe(1);
      expect(err).toContain("Function not found: f (ResourceNotFoundException)");
      expect(err).toContain("hearth list");
    });

    test("what is no function is not looked for among functions", async () => {
      const headers = { "x-amzn-errortype": "ResourceNotFoundException" };
      answer = { status: 404, headers, body: '{"message":"Nothing is known of an invocation f."}' };
      expect((await run(["explain", "f"], { server: url })).err).not.toContain("hearth list");
      answer = { status: 404, headers, body: '{"message":"There is no host f."}' };
      expect((await run(["host", "remove", "f"], { server: url })).err).toContain("`hearth host list` shows the hosts");
    });

    test("an answer that is no API error is shown in part", async () => {
      answer = { status: 502, body: "x".repeat(2000) };
      const { err } = await run(["status"], { server: url });
      expect(err.length).toBeLessThan(700);
      expect(err).toContain("HTTP 502");
    });

    test("a list of many pages is read to its end", async () => {
      const page = (name: string, next: string | null) => ({ Functions: [{ FunctionName: name }], NextMarker: next });
      server.removeAllListeners("request");
      server.on("request", (req, res) => {
        const isFirst = !req.url?.includes("Marker");
        res.end(JSON.stringify(isFirst ? page("one", "a b") : page("two", null)));
      });
      const { out } = await run(["list", "--json"], { server: url });
      expect(JSON.parse(out)).toEqual([{ FunctionName: "one" }, { FunctionName: "two" }]);
    });

    test("a log is printed line by line", async () => {
      answer = { status: 200, body: "one\ntwo" };
      expect((await run(["logs", "f"], { server: url })).out).toBe("one\ntwo\n");
      expect((await run(["logs", "f", "--json"], { server: url })).out).toBe('{"line":"one"}\n{"line":"two"}\n');
    });
  });
});
