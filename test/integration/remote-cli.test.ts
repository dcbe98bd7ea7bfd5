import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";
import { skipUnless } from "../skip.ts";
import { HostProcess } from "./remote-fixture/host-process.ts";
import { RemoteServer } from "./remote-fixture/remote-server.ts";
import { LambdaCaller } from "./server-fixture/lambda-caller.ts";

const COMMAND = fileURLToPath(new URL("../../bin/hearth.mjs", import.meta.url));
const run = promisify(execFile);

describe("hearth host", skipUnless(process.platform === "linux", "looks at processes in /proc"), () => {
  test("prints the command that lets a machine in, shows the machine, and removes it for good", async () => {
    await using server = await RemoteServer.start("127.0.0.1");
    const hearth = (...args: string[]) =>
      run(process.execPath, [COMMAND, "host", ...args, "--server", server.hearth.url], {
        env: { ...process.env, HEARTH_DATA: server.hearth.dataDir },
      });
    expect((await hearth("list")).stderr).toContain("no host has joined");

    const terms = ["--name", "tower", "--zone", "attic", "--sub-pool", "variable", "--price", "0.5", "--notice", "2m"];
    const { stdout, stderr } = await hearth("token", ...terms, "--expires", "10m");
    const [, address = "", token = ""] = /^hearth agent --join (\S+) --token (\S+)\n$/.exec(stdout) ?? [];
    expect(address).toBe(server.address);
    expect(stderr).toMatch(/within (9|10) min/);

    await using host = HostProcess.start({ join: address, token, provider: "process", memoryMiB: 4096 });
    await server.linked("tower", true);
    expect((await hearth("list")).stdout).toMatch(/h-\S+ +tower +attic +static +variable +connected .* 4096 MiB/);
    const { offers } = await server.hearth.status();
    expect(offers.find(({ zone }) => zone === "attic")).toMatchObject({
      id: "static/attic/tower/spare",
      capacity: { memoryMiB: 4096 },
      shape: { memoryMiB: 1024 },
      priceUsdPerHour: 0.125,
      noticeMs: 120_000,
      isAvailable: true,
    });
    const lambda = new LambdaCaller(() => server.hearth.url);
    await lambda.deploy("f", { files: { "index.mjs": "export const handler = async () => 'from the attic';" } });
    expect((await lambda.invoke("f")).json).toBe("from the attic");

    const [{ hostId } = { hostId: "" }] = await server.hosts();
    expect((await hearth("remove", hostId)).stdout).toContain(hostId);
    expect(await host.exited()).not.toBe(0);
    expect(host.log).toContain("the operator removed this machine");
    expect(host.leftovers()).toEqual([]);
    expect(await server.hosts()).toEqual([]);
    await expect(hearth("remove", hostId)).rejects.toMatchObject({
      stderr: expect.stringContaining("There is no host"),
    });
  }, 120_000);

  test("wrong terms are refused with the member's name and what to write", async () => {
    await using server = await RemoteServer.start("127.0.0.1");
    const refused = [
      [{ subPool: "spare" }, "subPool must be fixed or variable"],
      [{ subPool: "fixed", notice: "2m" }, "notice goes with subPool variable"],
      [{ priceUsdPerHour: -1 }, "priceUsdPerHour"],
      [{ expires: "for ever" }, "expires must be a length of time"],
      [{ expires: "31d" }, "expires must be a length of time"],
      [{ zone: "a/b" }, "zone must be"],
      [{ provider: "ec2" }, "provider must be static"],
      [{ colour: "red" }, "no member colour"],
    ] as const;
    for (const [terms, says] of refused)
      await expect(server.invite({ notice: undefined, ...terms })).rejects.toThrow(says);
  });
});
