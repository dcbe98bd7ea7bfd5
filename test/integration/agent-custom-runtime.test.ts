import { afterAll, beforeAll, expect, test } from "vitest";
import { AgentHarness, type FunctionSource } from "./agent-harness.ts";

let harness: AgentHarness;

beforeAll(async () => {
  harness = await AgentHarness.start();
  await harness.launch();
});
afterAll(() => harness.stop());

const bootstrap = (text: string, rest: Partial<FunctionSource> = {}): FunctionSource => ({
  files: { bootstrap: text },
  runtime: "provided.al2023",
  ...rest,
});

/** Answers every event with itself, after writing to its log. */
const ECHO = `#!/bin/sh
api="http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime"
while :; do
  event=$(curl -s -D headers "$api/invocation/next")
  id=$(grep -i '^lambda-runtime-aws-request-id:' headers | tr -d '\\r' | cut -d' ' -f2)
  echo "out $id"; echo "err $GREETING" >&2
  curl -s -d "$event" "$api/invocation/$id/response" >/dev/null
done
`.replaceAll("headers", "$TMPDIR/headers");

test("a shell script answers, with its log before the result", async () => {
  const echo = await harness.deploy(bootstrap(ECHO, { environment: { GREETING: "it's\n'fine'\nrun\n" } }));
  const cold = await echo.run({ n: 1 });
  expect(cold).toMatchObject({ outcome: "ok", payload: '{"n":1}', containerUsable: true });
  expect(cold.initUs).toBeGreaterThan(0);
  expect(echo.logs()).toBe(`out ${cold.invocationId}\nerr it's\n'fine'\nrun\n\n`);
  for (let n = 2; n < 6; n += 1) {
    const warm = await echo.run({ n });
    expect(warm).toMatchObject({ outcome: "ok", payload: `{"n":${n}}` });
    expect(warm.initUs).toBeUndefined();
    expect(echo.logs()).toContain(`out ${warm.invocationId}\n`);
  }
});

test("an empty payload arrives as {}, and what is not JSON not at all", async () => {
  const echo = await harness.deploy(bootstrap(ECHO));
  expect(await echo.run(Buffer.alloc(0))).toMatchObject({ outcome: "ok", payload: "{}" });
  expect(await echo.run(Buffer.from("{nope"))).toMatchObject({ outcome: "invalidPayload", containerUsable: true });
  expect(await echo.run({})).toMatchObject({ outcome: "ok" });
});

test("a missing bootstrap exits with Lambda's status", async () => {
  const missing = await harness.deploy({ files: { "readme.txt": "no bootstrap" }, runtime: "provided.al2023" });
  expect(await missing.run()).toMatchObject({ outcome: "exit", exit: "exit status 127", containerUsable: false });
  await missing.gone();
  expect(missing.logs()).toContain("bootstrap");
});

test("a reported error is the function's", async () => {
  const failing = await harness.deploy(
    bootstrap(ECHO.replace("/response", "/error").replace('"$event"', `'{"errorType":"E","errorMessage":"m"}'`)),
  );
  const result = await failing.run();
  expect(result).toMatchObject({ outcome: "functionError", containerUsable: true });
  expect(JSON.parse(result.payload)).toEqual({ errorType: "E", errorMessage: "m" });
});

test("a bootstrap that reports an error and exits takes no other invocation along", async () => {
  const error = ECHO.replace("/response", "/error").replace('"$event"', `'{"errorType":"E","errorMessage":"m"}'`);
  const panicking = await harness.deploy(bootstrap(error.replace("\ndone", "\n  exit 2\ndone")));
  const result = await panicking.run();
  expect(result).toMatchObject({ outcome: "functionError", containerUsable: false });
  expect(JSON.parse(result.payload)).toEqual({ errorType: "E", errorMessage: "m" });
  expect((await panicking.gone()).reason).toContain("exit status 2");
});

test("a bootstrap that answers and exits has answered", async () => {
  const once = await harness.deploy(bootstrap(ECHO.replace("\ndone", "\n  exit 7\ndone")));
  expect(await once.run({ n: 1 })).toMatchObject({ outcome: "ok", payload: '{"n":1}' });
  expect((await once.gone()).reason).toContain("exit status 7");
});

test("a bootstrap that never answers is timed out with all its children", async () => {
  const hanging = await harness.deploy(
    bootstrap(
      `#!/bin/sh\ncurl -s "http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation/next" >/dev/null\nsleep 600\n`,
      {
        timeoutMs: 300,
      },
    ),
  );
  expect(await hanging.run()).toMatchObject({ outcome: "timeout", containerUsable: false });
  await hanging.gone();
});
