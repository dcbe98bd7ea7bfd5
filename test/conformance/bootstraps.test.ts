import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { needsSandbox } from "../integration/sandbox-fixture/requirement.ts";
import { HearthProcess } from "../integration/server-fixture/hearth-process.ts";
import { LambdaCaller } from "../integration/server-fixture/lambda-caller.ts";
import { StreamedCall } from "../integration/server-fixture/streamed-call.ts";
import { skipUnless } from "../skip.ts";
import { compile, findCompiler } from "./bootstrap-fixture/compiler.ts";
import { buildLambdaRic, hasLambdaRic, nodeLayer } from "./bootstrap-fixture/lambda-ric.ts";

/** Custom runtimes as people bring them: AWS's own client of the Runtime API, and programs that speak it themselves. */
const isSandboxed = needsSandbox.skip !== true;
const hearth = isSandboxed ? await HearthProcess.start({ provider: "sandbox" }) : undefined;
const lambda = new LambdaCaller(() => hearth?.url ?? "");
const folder = mkdtempSync(join(tmpdir(), "hearth-bootstraps-"));
afterAll(async () => {
  rmSync(folder, { recursive: true });
  lambda.close();
  await hearth?.[Symbol.asyncDispose]();
});

const CUSTOM = { runtime: "provided.al2023", timeoutS: 20 } as const;
const hasGo = findCompiler("go") !== undefined;
const hasRust = findCompiler("rustc") !== undefined;

function exitText(requestId: string, end: string) {
  return {
    errorType: "Runtime.ExitError",
    errorMessage: `RequestId: ${requestId} Error: Runtime exited with error: ${end}`,
  };
}

describe("a bootstrap in Go", skipUnless(isSandboxed && hasGo, "needs a sandbox and Go (Debian: golang-go)"), () => {
  test("answers, fails and ends as it does on Lambda", async () => {
    const bootstrap = compile("go", "bootstrap.go", folder);
    await lambda.deploy("go", { ...CUSTOM, files: { bootstrap } });
    const first = await lambda.invoke("go", { name: "Ada" }, { tail: true });
    expect(first.json, first.log).toMatchObject({ hello: "Ada", calls: 1 });
    expect(first.json.remainingMs).toBeGreaterThan(10_000);
    expect(first.json.remainingMs).toBeLessThanOrEqual(20_000);
    expect(first.log).toContain("\nhello, Ada\n");
    const refused = await lambda.invoke("go", { name: 7 });
    expect([refused.functionError, refused.json.errorType]).toEqual(["Unhandled", "Go.Error"]);
    expect((await lambda.invoke("go", { name: "Bea" })).json.calls).toBe(3);
    const ended = await lambda.invoke("go", { panic: true }, { tail: true });
    expect(ended.json).toEqual(exitText(ended.requestId, "exit status 2"));
    expect(ended.log).toContain("panic: as asked");
    expect((await lambda.invoke("go", {})).json.calls).toBe(1);
  });
});

describe("a bootstrap in Rust", skipUnless(isSandboxed && hasRust, "needs a sandbox and Rust (Debian: rustc)"), () => {
  test("answers, fails and ends as it does on Lambda", async () => {
    const bootstrap = compile("rustc", "bootstrap.rs", folder);
    await lambda.deploy("rust", { ...CUSTOM, files: { bootstrap } });
    const first = await lambda.invoke("rust", { a: ["ä"] }, { tail: true });
    expect(first.json, first.log).toEqual({ got: { a: ["ä"] }, calls: 1 });
    expect(first.log).toContain(`call 1 of ${first.requestId}\n`);
    const failed = await lambda.invoke("rust", '"fail"');
    expect(failed.json).toEqual({ errorType: "Rust.Error", errorMessage: "as asked" });
    expect((await lambda.invoke("rust", "2")).json).toEqual({ got: 2, calls: 3 });
    const ended = await lambda.invoke("rust", '"panic"');
    expect(ended.json).toEqual(exitText(ended.requestId, "exit status 101"));
  });
});

const RIC_HANDLERS = `
export const handler = async (event, context) => {
  if (event.fail) throw new RangeError("as asked");
  console.log("got", event);
  return { event, id: context.awsRequestId, name: context.functionName, left: context.getRemainingTimeInMillis() > 0 };
};
export const streamed = awslambda.streamifyResponse(async (event, stream) => {
  const http = awslambda.HttpResponseStream.from(stream, { statusCode: 201, headers: { "Content-Type": "text/plain" } });
  http.write("one ");
  if (event.fail) throw new RangeError("in the middle");
  http.end("two");
});
`;

describe(
  "AWS's aws-lambda-ric",
  skipUnless(isSandboxed && hasLambdaRic, "needs a sandbox and HEARTH_LAMBDA_RIC, see .ci/run"),
  () => {
    test("runs Node.js functions on provided.al2023: answers, errors, streams, and what fails at init", async () => {
      const building = join(folder, "ric");
      mkdirSync(building);
      const files = { ...buildLambdaRic(building), "index.mjs": RIC_HANDLERS };
      const layers = [await lambda.publishLayer("node", nodeLayer())];
      const deploy = (name: string, handler: string) =>
        lambda.deploy(name, { ...CUSTOM, files, layers, handler, memoryMiB: 512 });
      await deploy("ric", "index.handler");
      const { json, log, requestId } = await lambda.invoke("ric", { a: "ä" }, { tail: true });
      expect(json, log).toEqual({ event: { a: "ä" }, id: requestId, name: "ric", left: true });
      expect(log).toMatch(new RegExp(`^\\S+Z\\t${requestId}\\tINFO\\tgot \\{ a: 'ä' \\}$`, "m"));
      const failed = await lambda.invoke("ric", { fail: true }, { tail: true });
      expect([failed.functionError, failed.json.errorType, failed.json.errorMessage], failed.log).toEqual([
        "Unhandled",
        "RangeError",
        "as asked",
      ]);
      expect((await lambda.invoke("ric", {}, { tail: true })).log).not.toContain("Init Duration");

      await deploy("ric-streamed", "index.streamed");
      const whole = await (await StreamedCall.begin(hearth?.url ?? "", "ric-streamed")).rest();
      expect([whole.text, whole.complete]).toEqual([
        '{"statusCode":201,"headers":{"Content-Type":"text/plain"}}\0\0\0\0\0\0\0\0one two',
        {},
      ]);
      const broken = await (await StreamedCall.begin(hearth?.url ?? "", "ric-streamed", { fail: true })).rest();
      expect(broken.text).toMatch(/one $/);
      expect(broken.complete.ErrorDetails).toContain("in the middle");

      await deploy("ric-absent", "index.absent");
      const absent = await lambda.invoke("ric-absent");
      expect([absent.functionError, absent.json.errorType, absent.json.errorMessage]).toEqual([
        "Unhandled",
        "Runtime.HandlerNotFound",
        "index.absent is undefined or not exported",
      ]);
    }, 90_000);
  },
);
