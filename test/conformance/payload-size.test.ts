import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { HearthProcess } from "../integration/server-fixture/hearth-process.ts";
import { LambdaCaller } from "../integration/server-fixture/lambda-caller.ts";
import { provider } from "./provider.ts";

const REQUEST_BYTES_MAX = 6_291_456;
const RESPONSE_BYTES_MAX = 6_291_556;
const EVENT_BYTES_MAX = 1_048_576;

/** The sizes at which Lambda says no, to the byte. */
describe("payloads", () => {
  let hearth: HearthProcess;
  let lambda: LambdaCaller;
  /** A JSON string of so many bytes. */
  const jsonOf = (bytes: number) => `"${"x".repeat(bytes - 2)}"`;

  beforeAll(async () => {
    hearth = await HearthProcess.start({ provider });
    lambda = new LambdaCaller(() => hearth.url);
    const files = {
      "index.js": `exports.length = async (text) => text.length;
        exports.make = async ({ bytes }) => "x".repeat(bytes - 2);
        exports.echo = async (text) => text;`,
    };
    for (const name of ["length", "make", "echo"]) {
      await lambda.deploy(name, { files, handler: `index.${name}`, memoryMiB: 512, timeoutS: 30 });
    }
    const bootstrap = `#!/bin/sh
api=http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation
while :; do
  id=$(curl -sS -D - -o /tmp/event "$api/next" | tr -d '\\r' | sed -n 's/^lambda-runtime-aws-request-id: //Ip')
  curl -sS -o /dev/null --data-binary @/tmp/event -H Expect: "$api/$id/response"
done
`;
    await lambda.deploy("echo-sh", { runtime: "provided.al2023", files: { bootstrap }, memoryMiB: 512, timeoutS: 30 });
  });
  afterAll(async () => {
    lambda.close();
    await hearth[Symbol.asyncDispose]();
  });

  test("of 6 MB go both ways, through managed and custom runtimes", async () => {
    const payload = jsonOf(REQUEST_BYTES_MAX);
    expect((await lambda.invoke("length", payload)).json).toBe(REQUEST_BYTES_MAX - 2);
    for (const name of ["echo", "echo-sh"]) {
      const { status, body } = await lambda.invoke(name, payload);
      expect([name, status, body.equals(Buffer.from(payload))]).toEqual([name, 200, true]);
    }
  });

  test("over 6 MB are refused on the way in", async () => {
    const { status, errorType, json } = await lambda.invoke("length", jsonOf(REQUEST_BYTES_MAX + 1));
    expect([status, errorType]).toEqual([413, "RequestEntityTooLargeException"]);
    expect(json.message).toBe(
      `Request must be smaller than ${REQUEST_BYTES_MAX} bytes for the InvokeFunction operation`,
    );
  });

  test("over 6 MB and 100 bytes are a function error on the way out", async () => {
    const largest = await lambda.invoke("make", { bytes: RESPONSE_BYTES_MAX });
    expect([largest.status, largest.functionError, largest.body.length]).toEqual([200, undefined, RESPONSE_BYTES_MAX]);
    const { status, functionError, json } = await lambda.invoke("make", { bytes: RESPONSE_BYTES_MAX + 1 });
    expect([status, functionError]).toEqual([200, "Unhandled"]);
    expect(json).toEqual({
      errorType: "Function.ResponseSizeTooLarge",
      errorMessage: `Response payload size exceeded maximum allowed payload size (${RESPONSE_BYTES_MAX} bytes).`,
    });
    expect((await lambda.invoke("make", { bytes: 5 })).json).toBe("xxx");
  });

  test("of events are up to 1 MB", async () => {
    expect((await lambda.invoke("length", jsonOf(EVENT_BYTES_MAX), { type: "Event" })).status).toBe(202);
    const { status, errorType, json } = await lambda.invoke("length", jsonOf(EVENT_BYTES_MAX + 1), { type: "Event" });
    expect([status, errorType]).toEqual([413, "RequestEntityTooLargeException"]);
    expect(json.message).toBe(
      `${EVENT_BYTES_MAX + 1} byte payload is too large for the Event invocation type (limit ${EVENT_BYTES_MAX} bytes)`,
    );
  });
});
