import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { eventually } from "../integration/server-fixture/eventually.ts";
import { HearthProcess } from "../integration/server-fixture/hearth-process.ts";
import { LambdaCaller } from "../integration/server-fixture/lambda-caller.ts";
import { provider } from "./provider.ts";

const DRAINED_MS_MAX = 30_000;

/** Lambda's retries of asynchronous invocations, with shorter pauses. */
describe("an event", () => {
  let hearth: HearthProcess;
  let lambda: LambdaCaller;
  const drained = () =>
    eventually(
      () => hearth.status(),
      ({ counts }) => counts.queuedEvents === 0,
      DRAINED_MS_MAX,
    );
  const countOf = (log: string, pattern: RegExp) => log.match(pattern)?.length ?? 0;

  beforeAll(async () => {
    hearth = await HearthProcess.start({ provider, env: { HEARTH_ASYNC_RETRY_SECONDS: "1,1" } });
    lambda = new LambdaCaller(() => hearth.url);
  });
  afterAll(async () => {
    lambda.close();
    await hearth[Symbol.asyncDispose]();
  });

  test.for([
    ["fails", 'throw new Error("again");'],
    ["ends", "process.exit(1);"],
    ["hangs", "await new Promise((resolve) => setTimeout(resolve, 60_000));"],
  ] as const)("whose function %s is tried three times under one request id", async ([name, body]) => {
    await lambda.deploy(name, { files: { "index.js": `exports.handler = async () => { ${body} };` }, timeoutS: 1 });
    const { status, requestId } = await lambda.invoke(name, { n: 1 }, { type: "Event" });
    expect(status).toBe(202);
    await drained();
    const log = await hearth.functionLog(name);
    expect(countOf(log, new RegExp(`^START RequestId: ${requestId} `, "gm"))).toBe(3);
    expect(log.match(/^RETRY .*$/gm)).toEqual([2, 3].map((n) => `RETRY RequestId: ${requestId} Attempt: ${n}`));
    expect(countOf(log, /^REPORT /gm)).toBe(3);
  });

  test("that succeeds at its second attempt is not tried again", async () => {
    const bootstrap = `#!/bin/sh
api=http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation
headers=$(mktemp)
while :; do
  curl -sS -D "$headers" -o /dev/null "$api/next" || exit 1
  id=$(tr -d '\\r' <"$headers" | sed -n 's/^lambda-runtime-aws-request-id: //Ip')
  retries=$(tr -d '\\r' <"$headers" | sed -n 's/^hearth-runtime-retries: //Ip')
  echo "retries \${retries:-0}"
  if [ -z "$retries" ]; then curl -sS -o /dev/null -d '{"errorType":"First.Failed","errorMessage":"x"}' "$api/$id/error"
  else curl -sS -o /dev/null -d '{}' "$api/$id/response"; fi
done
`;
    await lambda.deploy("second", { runtime: "provided.al2023", files: { bootstrap } });
    expect((await lambda.invoke("second", {}, { type: "Event" })).status).toBe(202);
    await drained();
    expect((await hearth.functionLog("second")).match(/^retries \d$/gm)).toEqual(["retries 0", "retries 1"]);
  });

  test("that succeeds runs once", async () => {
    await lambda.deploy("once", { files: { "index.js": "exports.handler = async () => 1;" } });
    for (let i = 0; i < 20; i++) expect((await lambda.invoke("once", {}, { type: "Event" })).status).toBe(202);
    await drained();
    expect(countOf(await hearth.functionLog("once"), /^START /gm)).toBe(20);
  });

  test("of a function that was deleted meanwhile is dropped", async () => {
    await lambda.deploy("gone", { files: { "index.js": 'exports.handler = async () => { throw new Error("x"); };' } });
    await lambda.invoke("gone", {}, { type: "Event" });
    await lambda.request("DELETE", "/2015-03-31/functions/gone");
    expect((await drained()).counts.queuedEvents).toBe(0);
  });
});
