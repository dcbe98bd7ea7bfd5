import { execFile } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { promisify } from "node:util";
import { ReceiveMessageCommand } from "@aws-sdk/client-sqs";
import { afterEach, expect, test, vi } from "vitest";
import { AwsClients } from "./aws-clients.ts";

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllEnvs();
});

test("a service that takes a request and never answers is an error, not a wait for ever", async () => {
  vi.stubEnv("AWS_ACCESS_KEY_ID", "test");
  vi.stubEnv("AWS_SECRET_ACCESS_KEY", "test");
  const server = createServer(() => {}).listen(0, "127.0.0.1");
  await once(server, "listening");
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const clients = new AwsClients({ endpoints: { SQS: url }, region: "us-east-1" });
  const client = await clients.sqs("us-east-1");
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  const asked = once(server, "request");
  const answer = client.send(new ReceiveMessageCommand({ QueueUrl: `${url}/q`, WaitTimeSeconds: 10 })).then(
    () => "answered",
    (error: Error) => error.name,
  );
  await asked;
  vi.advanceTimersByTime(30_000);
  const late = new Promise((resolve) => setImmediate(() => setImmediate(() => resolve("waits for ever"))));
  expect(await Promise.race([answer, late])).toBe("TimeoutError");
  await clients.close();
  server.closeAllConnections();
  server.close();
});

// In a process of its own, whose descriptors are few.
test.skipIf(process.platform === "win32")(
  "code that could not be loaded for want of descriptors is loaded later",
  async () => {
    const script = `
    import { closeSync, openSync } from "node:fs";
    import { AwsClients } from "${import.meta.resolve("./aws-clients.ts")}";
    import { createS3ObjectSource } from "${import.meta.resolve("../../store/s3/object-source.ts")}";
    const clients = new AwsClients({ endpoints: {}, region: "us-east-1" });
    const objects = createS3ObjectSource({ region: "us-east-1", endpoint: "http://127.0.0.1:1" });
    const asked = () => Promise.all([
      clients.sqs("us-east-1").then(() => "loaded", () => "failed"),
      objects.read({ bucket: "b", key: "k" }, 1).catch((error) => error.constructor.name),
    ]);
    const held = [];
    try { for (;;) held.push(openSync("/dev/null")); } catch {}
    const first = await asked();
    for (const fd of held) closeSync(fd);
    process.stdout.write(JSON.stringify([first, await asked()]));
  `;
    const { stdout } = await promisify(execFile)(
      "sh",
      ["-c", 'ulimit -n 200; exec "$0" --input-type=module -e "$1"', process.execPath, script],
      { env: { ...process.env, AWS_ACCESS_KEY_ID: "test", AWS_SECRET_ACCESS_KEY: "test" } },
    );
    expect(JSON.parse(stdout)).toEqual([
      ["failed", "Error"],
      ["loaded", "ObjectRefusal"],
    ]);
  },
);
