import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
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
