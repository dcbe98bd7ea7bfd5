import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, expect, test } from "vitest";

const dir = mkdtempSync(join(tmpdir(), "hearth-instance-process-"));
afterAll(() => rmSync(dir, { recursive: true }));

/** Leaves one descriptor, for the log of what cannot be started then. */
const program = (module: string, start: string) => `
  import { closeSync, openSync } from "node:fs";
  const { ${start} } = await import(${JSON.stringify(join(import.meta.dirname, module))});
  const open = [];
  try { for (;;) open.push(openSync("/dev/null")); } catch {}
  closeSync(open.pop());
  const order = { nodePath: "node", agentBundlePath: "agent", config: {}, command: [], gatewayPath: ${JSON.stringify(join(dir, "gateway"))},
    logPath: ${JSON.stringify(join(dir, "log"))}, prepare: async () => {}, onExit() {} };
  const failure = await ${start}(order).catch((error) => error);
  for (const fd of open) closeSync(fd);
  await new Promise((resolve) => setTimeout(resolve, 50));
  console.log("caught", failure.code);`;

test.each([
  ["an instance", "instance-process.ts", "startInstance"],
  ["a machine", "../microvm/machine-process.ts", "startMachine"],
])(
  "%s that cannot be started for want of descriptors is a failed launch, and not the server's end",
  async (_, module, start) => {
    const command = [process.execPath, "--input-type=module", "-e", program(module, start)];
    const { stdout } = await promisify(execFile)("/bin/sh", ["-c", 'ulimit -n 64; exec "$@"', "sh", ...command]);
    expect(stdout).toBe("caught EMFILE\n");
  },
);
