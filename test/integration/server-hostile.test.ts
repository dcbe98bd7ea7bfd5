import { randomBytes } from "node:crypto";
import { type AddressInfo, createServer } from "node:net";
import { networkInterfaces } from "node:os";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { needsSandbox } from "./sandbox-fixture/requirement.ts";
import { HearthProcess } from "./server-fixture/hearth-process.ts";
import { LambdaCaller } from "./server-fixture/lambda-caller.ts";

/** Functions that mean harm: each may hurt itself only. After each one, another function is answered correctly. */
const hearth = needsSandbox.skip === true ? undefined : await HearthProcess.start({ provider: "sandbox" });
const lambda = new LambdaCaller(() => hearth?.url ?? "");
const secret = randomBytes(16).toString("hex");
afterAll(async () => {
  lambda.close();
  await hearth?.[Symbol.asyncDispose]();
});

describe("a hostile function", needsSandbox, () => {
  beforeAll(async () => {
    const files = {
      "index.js": `let calls = 0; exports.handler = async (event) => {
        require("node:fs").writeFileSync("/tmp/secret", "${secret}"); return { event, calls: ++calls }; };`,
    };
    await lambda.deploy("neighbour", { files, environment: { SECRET: secret } });
    expect((await lambda.invoke("neighbour", 0)).json).toEqual({ event: 0, calls: 1 });
  });

  let calls = 1;
  afterEach(async () => {
    const asked = performance.now();
    const { json } = await lambda.invoke("neighbour", "still there?".length);
    expect(json, "the neighbour lost its container or its mind").toEqual({ event: 12, calls: ++calls });
    expect(performance.now() - asked).toBeLessThan(5000);
    expect((await fetch(`${hearth?.url}/healthz`)).status).toBe(200);
  });

  const attack = async (name: string, body: string, options: { memoryMiB?: number; timeoutS?: number } = {}) => {
    await lambda.deploy(name, { timeoutS: 10, ...options, files: { "index.js": body } });
    return lambda.invoke(name, {}, { tail: true });
  };

  test("forks without end", async () => {
    const { status, functionError } = await attack(
      "fork-bomb",
      `const { spawn } = require("node:child_process");
       exports.handler = async () => {
         spawn("/bin/sh", ["-c", "f() { f | f & }; f; sleep 60"], { stdio: "ignore" }).on("error", () => {});
         await new Promise((resolve) => setTimeout(resolve, 60_000));
       };`,
      { timeoutS: 3 },
    );
    expect([status, functionError]).toEqual([200, "Unhandled"]);
  });

  test("takes all file descriptors", async () => {
    const { json } = await attack(
      "descriptors",
      `const fs = require("node:fs");
       exports.handler = async () => {
         const open = [];
         try { for (;;) open.push(fs.openSync("/dev/null")); } catch (error) {
           for (const fd of open) fs.closeSync(fd);
           return { code: error.code, count: open.length };
         }
       };`,
    );
    expect(json.code).toBe("EMFILE");
    expect(json.count).toBeLessThanOrEqual(1024);
  });

  test("writes a gigabyte of log", async () => {
    const { status, functionError } = await attack(
      "chatter",
      `const { writeSync } = require("node:fs");
       const line = Buffer.from(("x".repeat(1023) + "\\n").repeat(1024));
       exports.handler = async () => {
         for (let i = 0; i < 1024; i++) for (let at = 0; at < line.length;) {
           try { at += writeSync(1, line, at); } catch (error) { if (error.code !== "EAGAIN") throw error; }
         }
       };`,
      { memoryMiB: 1769, timeoutS: 30 },
    );
    expect([status, functionError === undefined || functionError === "Unhandled"]).toEqual([200, true]);
  });

  test("fills its /tmp and its memory at once", async () => {
    const { status } = await attack(
      "filler",
      `const fs = require("node:fs");
       exports.handler = async () => {
         const held = [];
         for (let i = 0; ; i++) {
           held.push(Buffer.alloc(1 << 20, 1));
           try { fs.appendFileSync("/tmp/full", held.at(-1)); } catch {}
         }
       };`,
    );
    expect(status).toBe(200);
  });

  test("opens sockets without end", async () => {
    const { status } = await attack(
      "sockets",
      `const net = require("node:net");
       exports.handler = async () => {
         const server = net.createServer(() => {}).listen(0, "127.0.0.1");
         await new Promise((resolve) => server.on("listening", resolve));
         let failed;
         for (let i = 0; i < 2000 && failed === undefined; i++) {
           await new Promise((resolve) => {
             const socket = net.connect(server.address().port, "127.0.0.1", resolve);
             socket.on("error", (error) => { failed = error.code; resolve(); });
           });
         }
         return { failed };
       };`,
    );
    expect(status).toBe(200);
  });

  test("kills whatever it can", async () => {
    const { status, json } = await attack(
      "killer",
      `exports.handler = async () => {
         const own = require("node:fs").readdirSync("/proc/self/task").map(Number);
         const hit = [];
         for (let pid = 2; pid < 65536; pid++) {
           if (own.includes(pid)) continue;
           try { process.kill(pid, 9); hit.push(pid); } catch {}
         }
         for (const signal of ["SIGTERM", "SIGKILL"]) process.kill(1, signal);
         return hit;
       };`,
      // A whole processor: 65,000 refusals are half a second of CPU time.
      { memoryMiB: 1769 },
    );
    expect([status, json]).toEqual([200, []]);
    const everybody = await attack("suicidal", 'exports.handler = async () => process.kill(-1, "SIGKILL");');
    expect(everybody.status).toBe(200);
  });

  test("writes garbage to the runtime's channel", async () => {
    for (const [name, write] of Object.entries({
      bytes: "require('node:crypto').randomBytes(65536)",
      length: "Buffer.from([255, 255, 255, 255, 0, 0, 0, 0])",
      message:
        '(() => { const h = Buffer.from(\'{"kind":"result","requestId":"other","cpuUs":1,"memoryBytes":1}\'); const b = Buffer.alloc(8); b.writeUInt32LE(4 + h.length, 0); b.writeUInt32LE(h.length, 4); return Buffer.concat([b, h]); })()',
      proto:
        '(() => { const h = Buffer.from(\'{"__proto__":{"kind":"x"},"kind":"containerGone","containerId":"c","reason":1}\'); const b = Buffer.alloc(8); b.writeUInt32LE(4 + h.length, 0); b.writeUInt32LE(h.length, 4); return Buffer.concat([b, h]); })()',
    })) {
      const { status, functionError, json } = await attack(
        `garbage-${name}`,
        `const fs = require("node:fs");
         exports.handler = async () => {
           for (const fd of [3, 4, 5, 6]) { try { fs.writeSync(fd, ${write}); } catch {} }
           await new Promise((resolve) => setTimeout(resolve, 60_000));
         };`,
        { timeoutS: 2 },
      );
      expect([name, status, functionError]).toEqual([name, 200, "Unhandled"]);
      expect(["Runtime.ExitError", "Sandbox.Timedout"]).toContain(json.errorType);
    }
  });

  test("reads what is not its own", async () => {
    const { json } = await attack(
      "reader",
      `const fs = require("node:fs"), path = require("node:path");
       const skip = new Set(["/sys", "/dev"]);
       function* walk(dir, depth) {
         let entries = [];
         try { entries = fs.readdirSync(dir, { withFileTypes: true }); } catch { return; }
         for (const entry of entries) {
           const at = path.join(dir, entry.name);
           if (entry.isDirectory() && depth < 6 && !skip.has(at) && !/^\\/proc\\/\\D/.test(at)) yield* walk(at, depth + 1);
           else if (entry.isFile() || at.endsWith("/environ")) yield at;
         }
       }
       // Files of /proc may be without end.
       const beginningOf = (at) => {
         const fd = fs.openSync(at, fs.constants.O_RDONLY | fs.constants.O_NONBLOCK);
         try { const chunk = Buffer.alloc(1 << 20); return chunk.toString("latin1", 0, fs.readSync(fd, chunk)); } finally { fs.closeSync(fd); }
       };
       exports.handler = async () => {
         const needle = "${secret.slice(0, 8)}" + "${secret.slice(8)}";
         const found = [];
         for (const at of walk("/", 0)) {
           if (at.startsWith("/var/lang") || at.startsWith("/usr") || at.startsWith("/lib")) continue;
           try { if (beginningOf(at).includes(needle)) found.push(at); } catch {}
         }
         const see = (at) => { try { return fs.readdirSync(at).length; } catch (error) { return error.code; } };
         const shadow = (() => { try { return fs.readFileSync("/etc/shadow", "utf8").length; } catch (error) { return error.code; } })();
         const processes = fs.readdirSync("/proc").filter((name) => /^\\d+$/.test(name)).length;
         return { found: found.filter((at) => !at.startsWith("/var/task")), shadow, processes, root: see("/root"), home: see("/home"),
           data: see(${JSON.stringify(hearth?.dataDir)}) };
       };`,
      { memoryMiB: 1769, timeoutS: 30 },
    );
    expect(json.found).toEqual([]);
    expect(json.processes).toBeLessThanOrEqual(2); // Itself, and the init in front of it.
    expect(["ENOENT", "EACCES"]).toContain(json.shadow);
    for (const seen of [json.root, json.home, json.data]) expect(["ENOENT", "EACCES", 0]).toContain(seen);
  });

  test("asks the server, its agents' socket, the host and the neighbours", async () => {
    await using host = await listen();
    const ports = [Number(new URL(hearth?.url ?? "").port), host.port];
    const { json } = await attack(
      "spy",
      `const net = require("node:net"), os = require("node:os"), fs = require("node:fs");
       const dial = (to) => new Promise((resolve) => {
         const socket = net.connect({ ...to, timeout: 700 }, () => { socket.destroy(); resolve("connected"); });
         socket.on("timeout", () => { socket.destroy(); resolve("timeout"); }).on("error", (error) => resolve(error.code));
       });
       exports.handler = async () => {
         const own = Object.values(os.networkInterfaces()).flat().filter((a) => a.family === "IPv4" && !a.internal);
         const gateways = fs.readFileSync("/proc/net/route", "utf8").split("\\n").map((l) => l.split("\\t")[2])
           .filter((hex) => /^[0-9A-F]{8}$/.test(hex ?? "") && hex !== "00000000").map((hex) => Buffer.from(hex, "hex").reverse().join("."));
         const around = own.flatMap(({ address }) => { const [a, b, c, d] = address.split(".").map(Number);
           return [-6, -5, -4, -3, -2, -1, 1, 2, 3, 4, 5, 6].map((i) => [a, b, c, d + i].join(".")); });
         const hosts = ["127.0.0.1", ...gateways, ...around, ${JSON.stringify(hostAddresses())}].flat();
         const targets = [...hosts.flatMap((host) => ${JSON.stringify(ports)}.map((port) => ({ host, port }))),
           { path: ${JSON.stringify(`${hearth?.dataDir}/agents.sock`)} }, { host: "169.254.169.254", port: 80 }];
         const results = await Promise.all(targets.map(dial));
         return { tried: targets.length, connected: targets.filter((_, i) => results[i] === "connected") };
       };`,
      { timeoutS: 20, memoryMiB: 512 },
    );
    expect(json.tried).toBeGreaterThan(10);
    expect(json.connected).toEqual([]);
  });

  test("uses what the kernel offers to those with rights", async () => {
    const { json } = await attack(
      "climber",
      `const { spawnSync } = require("node:child_process");
       const fs = require("node:fs");
       const tries = {
         mount: ["mount", "-t", "tmpfs", "none", "/tmp"], chroot: ["chroot", "/tmp", "true"], unshare: ["unshare", "-Ur", "true"],
         mknod: ["mknod", "/tmp/disk", "b", "8", "0"], hostname: ["hostname", "owned"], date: ["date", "-s", "2001-01-01"], ip: ["ip", "link", "set", "lo", "down"],
       };
       exports.handler = async () => {
         const succeeded = Object.keys(tries).filter((name) => spawnSync(tries[name][0], tries[name].slice(1)).status === 0);
         const status = Object.fromEntries(fs.readFileSync("/proc/self/status", "utf8").split("\\n").map((line) => line.split(":\\t")));
         return { succeeded, CapEff: status.CapEff, NoNewPrivs: status.NoNewPrivs, Seccomp: status.Seccomp, uid: process.getuid() };
       };`,
      { memoryMiB: 512 },
    );
    expect(json).toMatchObject({ succeeded: [], CapEff: "0000000000000000", NoNewPrivs: "1", Seccomp: "2" });
    expect(json.uid).not.toBe(0);
  });
});

/** Something on this machine that listens on all its addresses. */
async function listen(): Promise<AsyncDisposable & { readonly port: number }> {
  const server = createServer((socket) => socket.destroy());
  await new Promise<void>((resolve) => server.listen(0, "0.0.0.0", resolve));
  return {
    port: (server.address() as AddressInfo).port,
    [Symbol.asyncDispose]: () => new Promise((resolve) => server.close(() => resolve())),
  };
}

function hostAddresses(): string[] {
  return Object.values(networkInterfaces()).flatMap((list) =>
    (list ?? []).filter(({ family }) => family === "IPv4").map(({ address }) => address),
  );
}
