import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { PythonRuntime } from "../../model/runtime.ts";
import { hostAgentConfigSchema } from "../../protocol/host-agent-config.ts";
import { type UserDataInput, userDataOf } from "./user-data.ts";

const SHA256 = "0".repeat(64);
const TOKEN = `${"s".repeat(43)}.${"p".repeat(43)}`;
const DEBIAN = {
  kind: "debian",
  node: { url: "https://mirror.test/node-v26.10.0-linux-x64.tar.xz", sha256: SHA256 },
  hearth: { url: "https://mirror.test/hearth.tgz", sha256: SHA256 },
  pythons: [] as PythonRuntime[],
} as const;
const INPUT: UserDataInput = {
  setup: { kind: "prepared", hearthPath: "/opt/hearth/app/bin/hearth.mjs", pythons: [] },
  server: "hearth.test:9601",
  joinToken: TOKEN,
  name: "ab12cd-i-1",
  zone: "eu-west-1a",
  shape: { memoryMiB: 6809, cpuMilli: 2000 },
  joinMsMax: 600_000,
};

function bash(args: readonly string[], script: string) {
  return spawnSync("bash", args, { input: script, encoding: "utf8" });
}

/** What the script would write there: the body of its here-document. */
function hereDocument(script: string, mark: string): string {
  return new RegExp(`'${mark}'\\n([\\s\\S]*?)\\n${mark}\\n`).exec(script)?.[1] ?? "";
}

describe("user data", () => {
  test.each([INPUT, { ...INPUT, setup: DEBIAN }])("is a shell script, for $setup.kind", (input) => {
    const { status, stderr } = bash(["-n"], userDataOf(input));
    expect(stderr).toBe("");
    expect(status).toBe(0);
  });

  test("configures the host agent with what its schema takes", () => {
    const config = JSON.parse(hereDocument(userDataOf(INPUT), "END_OF_CONFIG"));
    expect(hostAgentConfigSchema.parse(config)).toMatchObject({
      server: { host: "hearth.test", port: 9601 },
      token: TOKEN,
      isSingle: true,
      memoryMiB: 6809,
      cpuMilli: 2000,
      notices: "imds",
      provider: "sandbox",
    });
  });

  test("powers the machine off when the host agent has ended for good, and only then", () => {
    const unit = hereDocument(userDataOf(INPUT), "END_OF_UNIT");
    const stopPost = /^ExecStopPost=\/bin\/sh -c '(.*)'$/m.exec(unit)?.[1] ?? "";
    const after = (code: string, status: string) =>
      spawnSync("/bin/sh", ["-c", `systemctl() { echo "$@"; }; ${stopPost}`], {
        env: { EXIT_CODE: code, EXIT_STATUS: status },
        encoding: "utf8",
      }).stdout;
    const ends = [
      ["exited", "0"],
      ["exited", "1"],
      ["exited", "2"],
      ["exited", "3"],
      ["killed", "KILL"],
      ["dumped", "SEGV"],
    ] as const;
    expect(ends.map(([code, status]) => after(code, status).includes("poweroff"))).toEqual([
      true,
      false,
      true,
      true,
      false,
      false,
    ]);
    expect(unit).toContain("RestartPreventExitStatus=2 3");
  });

  test("shows the token to nobody but root: no command has it among its arguments", () => {
    const script = userDataOf({ ...INPUT, setup: DEBIAN });
    expect(script.split("\n").filter((line) => line.includes(TOKEN))).toEqual([hereDocument(script, "END_OF_CONFIG")]);
    expect(script).toContain("umask 077; cat > /etc/hearth/host.json");
  });

  test("runs nothing of a download before its checksum is right", () => {
    const script = userDataOf({ ...INPUT, setup: DEBIAN });
    const fetch = /^fetch\(\) \{[\s\S]*?^\}$/m.exec(script)?.[0];
    const attempt = (sha256: string) =>
      bash(
        [],
        `set -euo pipefail\ncurl() { echo fetched > file; }\ncd "$(mktemp -d)"\n${fetch}\nfetch x ${sha256} file\necho run`,
      );
    expect(attempt(SHA256)).toMatchObject({ status: 1, stdout: expect.not.stringContaining("run") });
    const right = createHash("sha256").update("fetched\n").digest("hex");
    expect(attempt(right).status).toBe(0);
    expect(attempt(right).stdout).toBe("run\n");
  });

  test("installs the Python that is to be there", () => {
    const lineOf = (setup: typeof DEBIAN) => /^apt-get install .*$/m.exec(userDataOf({ ...INPUT, setup }))?.[0];
    expect(lineOf({ ...DEBIAN, pythons: ["python3.13"] })).toMatch(/ python3\.13 python3-boto3$/);
    expect(lineOf(DEBIAN)).not.toContain("python");
  });

  test("whatever a URL holds is one word of the shell", () => {
    fc.assert(
      fc.property(fc.webUrl({ withQueryParameters: true, withFragments: true }), (url) => {
        const hostile = `${url}'$(touch /tmp/x)\`;"`;
        const script = userDataOf({ ...INPUT, setup: { ...DEBIAN, node: { url: hostile, sha256: SHA256 } } });
        const line = script.split("\n").find((each) => each.startsWith("fetch ") && each.includes("node.tar.xz"));
        const { stdout } = bash([], `fetch() { printf %s "$1"; }\n${line}`);
        expect(stdout).toBe(hostile);
      }),
      { numRuns: 8 },
    );
  });

  test("is refused when it is longer than EC2 takes", () => {
    const url = `https://mirror.test/${"x".repeat(17_000)}`;
    expect(() => userDataOf({ ...INPUT, setup: { ...DEBIAN, node: { url, sha256: SHA256 } } })).toThrow(/16384/);
  });
});
