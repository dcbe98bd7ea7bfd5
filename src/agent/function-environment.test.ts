import fc from "fast-check";
import { expect, test } from "vitest";
import type { FunctionKey } from "../model/ids.ts";
import type { Assignment } from "../protocol/agent-protocol.ts";
import { type FunctionPlace, functionEnvironment } from "./function-environment.ts";

const ASSIGNMENT: Assignment = {
  functionKey: "key" as FunctionKey,
  accountId: "000000000000",
  functionName: "hello",
  version: "$LATEST",
  functionArn: "arn:aws:lambda:eu-west-1:000000000000:function:hello",
  handler: "index.handler",
  codeDir: "/code",
  codeSha256Hex: "00",
  environment: {},
  memoryMiB: 256,
  cpuMilli: 145,
  timeoutMs: 3000,
  ephemeralStorageMiB: 512,
  region: "eu-west-1",
};

const PLACE: FunctionPlace = {
  runtime: "nodejs24.x",
  taskRoot: "/var/task",
  optRoot: "/opt",
  tmpDir: "/tmp",
  runtimeApi: undefined,
  logStream: "2026/11/21/[$LATEST]0123456789abcdef0123456789abcdef",
  initializationType: "on-demand",
};

test("a log group that is stated is the one that the function is told", () => {
  const { AWS_LAMBDA_LOG_GROUP_NAME: name } = functionEnvironment({ ...ASSIGNMENT, logGroup: "/my/group" }, PLACE);
  expect(name).toBe("/my/group");
});

test("what Lambda sets for nodejs24.x", () => {
  expect(functionEnvironment(ASSIGNMENT, PLACE)).toEqual({
    _HANDLER: "index.handler",
    AWS_REGION: "eu-west-1",
    AWS_DEFAULT_REGION: "eu-west-1",
    AWS_EXECUTION_ENV: "AWS_Lambda_nodejs24.x",
    AWS_LAMBDA_FUNCTION_NAME: "hello",
    AWS_LAMBDA_FUNCTION_VERSION: "$LATEST",
    AWS_LAMBDA_FUNCTION_MEMORY_SIZE: "256",
    AWS_LAMBDA_INITIALIZATION_TYPE: "on-demand",
    AWS_LAMBDA_LOG_GROUP_NAME: "/aws/lambda/hello",
    AWS_LAMBDA_LOG_STREAM_NAME: "2026/11/21/[$LATEST]0123456789abcdef0123456789abcdef",
    AWS_XRAY_CONTEXT_MISSING: "LOG_ERROR",
    AWS_XRAY_DAEMON_ADDRESS: "127.0.0.1:2000",
    _AWS_XRAY_DAEMON_ADDRESS: "127.0.0.1",
    _AWS_XRAY_DAEMON_PORT: "2000",
    LAMBDA_TASK_ROOT: "/var/task",
    LAMBDA_RUNTIME_DIR: "/var/runtime",
    LANG: "en_US.UTF-8",
    TZ: ":UTC",
    PATH: "/var/lang/bin:/usr/local/bin:/usr/bin/:/bin:/opt/bin",
    LD_LIBRARY_PATH: "/var/lang/lib:/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:/var/task:/var/task/lib:/opt/lib",
    NODE_PATH:
      "/opt/nodejs/node24/node_modules:/opt/nodejs/node_modules:/var/runtime/node_modules:/var/runtime:/var/task",
    PWD: "/var/task",
    SHLVL: "0",
  });
});

test("a function is told the memory that its settings state, not the container's", () => {
  const environment = functionEnvironment({ ...ASSIGNMENT, requestedMemoryMiB: 1024 }, PLACE);
  expect(environment).toMatchObject({ AWS_LAMBDA_FUNCTION_MEMORY_SIZE: "1024" });
});

test("a function that is loaded ahead of its calls is told so", () => {
  const environment = functionEnvironment(ASSIGNMENT, { ...PLACE, initializationType: "provisioned-concurrency" });
  expect(environment).toMatchObject({ AWS_LAMBDA_INITIALIZATION_TYPE: "provisioned-concurrency" });
});

test("a custom runtime is told its Runtime API, and nothing of Node", () => {
  const place: FunctionPlace = {
    ...PLACE,
    runtime: "provided.al2023",
    runtimeApi: "127.0.0.1:9001",
    tmpDir: "/private",
  };
  const environment = functionEnvironment(ASSIGNMENT, place);
  expect(environment).toMatchObject({ AWS_LAMBDA_RUNTIME_API: "127.0.0.1:9001", TMPDIR: "/private" });
  expect(environment).not.toHaveProperty("NODE_PATH");
  expect(environment).not.toHaveProperty("AWS_EXECUTION_ENV");
});

test("the function's own variables replace the unreserved ones only", () => {
  const names = fc.constantFrom("PATH", "TZ", "MINE", "AWS_REGION", "_HANDLER", "AWS_LAMBDA_FUNCTION_NAME");
  fc.assert(
    fc.property(fc.dictionary(names, fc.string()), (own) => {
      const environment = functionEnvironment({ ...ASSIGNMENT, environment: own }, PLACE);
      for (const name of ["PATH", "TZ", "MINE"]) if (name in own) expect(environment[name]).toBe(own[name]);
      expect(environment).toMatchObject({ AWS_REGION: "eu-west-1", _HANDLER: "index.handler" });
    }),
  );
});
