import { describe, expect, test } from "vitest";
import { HearthProcess } from "./server-fixture/hearth-process.ts";
import { LambdaCaller } from "./server-fixture/lambda-caller.ts";
import { needsSmallDisk, SmallDisk } from "./server-fixture/small-disk.ts";

describe("a full disk", needsSmallDisk, () => {
  test("is told to callers, and forgotten once there is space again", async () => {
    await using disk = new SmallDisk(64);
    await using hearth = await HearthProcess.start({ provider: "process", dataDir: disk.path });
    const lambda = new LambdaCaller(() => hearth.url);
    const files = { "index.js": "exports.handler = async () => 1;" };
    await lambda.deploy("before", { files });
    expect((await lambda.invoke("before")).json).toBe(1);

    disk.fill();
    const noise = Buffer.from(Array.from({ length: 300_000 }, (_, i) => (i * 7919) % 251));
    const refused = await lambda.create("during", { files: { ...files, noise } });
    expect([refused.status, refused.headers["x-amzn-errortype"], refused.headers["x-hearth-error-code"]]).toEqual([
      500,
      "ServiceException",
      "STORE_FAILED",
    ]);
    let event = await lambda.invoke("before", {}, { type: "Event" });
    for (let i = 0; event.status === 202 && i < 200; i++) {
      event = await lambda.invoke("before", JSON.stringify("x".repeat(200_000)), { type: "Event" });
    }
    expect([event.status, event.errorType]).toEqual([500, "ServiceException"]);
    expect((await lambda.invoke("before")).json).toBe(1);
    expect((await fetch(`${hearth.url}/healthz`)).status).toBe(200);

    disk.free();
    await lambda.deploy("after", { files });
    expect((await lambda.invoke("after")).json).toBe(1);
    expect((await lambda.invoke("before", {}, { type: "Event" })).status).toBe(202);
    expect(await hearth.stop()).toBe(0);
    await hearth.start();
    expect((await lambda.invoke("after")).json).toBe(1);
    expect((await lambda.invoke("before")).json).toBe(1);
  });
});
