import { execFileSync } from "node:child_process";
import { describe, expect, test } from "vitest";
import { heldEnd, runtimeEnd, withInit } from "./container-init.ts";

describe("a container's init", () => {
  test("ends as its runtime does", () => {
    const [command, ...args] = withInit(["/bin/sh", "-c", "exit 7"]) as [string, ...string[]];
    expect(() => execFileSync(command, args)).toThrow(expect.objectContaining({ status: 7 }));
  });

  test("that outlives its runtime says in its name how that ended", () => {
    const name = ["/bin/sh", "-c", "while :; do sleep 3600; done", "held", "137", ""].join("\0");
    expect(heldEnd(name)).toEqual({ status: 137, signal: undefined });
    expect(runtimeEnd(heldEnd(name) as NonNullable<ReturnType<typeof heldEnd>>)).toMatchObject({ signal: "SIGKILL" });
  });

  test("says nothing before", () => {
    for (const name of [
      "",
      "sh\0",
      ["/bin/sh", "-c", "script", "init", "node", "held", "x.js", ""].join("\0").replace("held", "hold"),
    ]) {
      expect(heldEnd(name)).toBeUndefined();
    }
  });
});
