import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { afterAll, describe, expect, test } from "vitest";
import { needsSandbox } from "../integration/sandbox-fixture/requirement.ts";
import { HearthProcess } from "../integration/server-fixture/hearth-process.ts";
import { LambdaCaller } from "../integration/server-fixture/lambda-caller.ts";
import { StreamedCall } from "../integration/server-fixture/streamed-call.ts";
import { provider } from "./provider.ts";

/** Functions made of packages from npm as they come, bundled as their authors bundle them. */
const hearth = await HearthProcess.start({ provider });
const lambda = new LambdaCaller(() => hearth.url);
afterAll(async () => {
  lambda.close();
  await hearth[Symbol.asyncDispose]();
});

const REPOSITORY = fileURLToPath(new URL("../..", import.meta.url));

async function deploy(name: string, code: string, options: { memoryMiB?: number } = {}): Promise<void> {
  const { outputFiles } = await build({
    stdin: { contents: code, resolveDir: REPOSITORY },
    bundle: true,
    write: false,
    platform: "node",
    target: "node22",
    format: "cjs",
    external: ["@aws-sdk/*"],
    logLevel: "silent",
  });
  const bundle = outputFiles[0]?.text ?? "";
  await lambda.deploy(name, { files: { "index.js": bundle }, memoryMiB: 512, timeoutS: 20, ...options });
}

/** An API Gateway event of payload version 2.0, as function URLs make it. */
const httpEvent = (path: string, query = "") => ({
  version: "2.0",
  routeKey: "$default",
  rawPath: path,
  rawQueryString: query,
  headers: { host: "x.lambda-url.us-east-1.on.aws", accept: "*/*" },
  requestContext: {
    domainName: "x.lambda-url.us-east-1.on.aws",
    http: { method: "GET", path, protocol: "HTTP/1.1", sourceIp: "127.0.0.1", userAgent: "test" },
    requestId: "r",
    stage: "$default",
  },
  isBase64Encoded: false,
});

describe("functions from npm", () => {
  test("Powertools for AWS Lambda with middy: logger, tracer, metrics; the first call is the cold one", async () => {
    await deploy(
      "powertools",
      `import middy from "@middy/core";
       import { Logger } from "@aws-lambda-powertools/logger";
       import { injectLambdaContext } from "@aws-lambda-powertools/logger/middleware";
       import { Metrics, MetricUnit } from "@aws-lambda-powertools/metrics";
       import { logMetrics } from "@aws-lambda-powertools/metrics/middleware";
       import { Tracer } from "@aws-lambda-powertools/tracer";
       import { captureLambdaHandler } from "@aws-lambda-powertools/tracer/middleware";
       const logger = new Logger({ serviceName: "shop" });
       const metrics = new Metrics({ namespace: "shop", serviceName: "shop" });
       const tracer = new Tracer({ serviceName: "shop" });
       export const handler = middy(async (event) => {
         logger.info("ordered", { item: event.item });
         metrics.addMetric("orders", MetricUnit.Count, 1);
         return { traced: tracer.isTracingEnabled(), root: tracer.getRootXrayTraceId() ?? null };
       }).use(injectLambdaContext(logger)).use(logMetrics(metrics, { captureColdStartMetric: true })).use(captureLambdaHandler(tracer));`,
    );
    const calls = [];
    for (const item of ["pen", "ink"]) {
      const { requestId, json, functionError, log, headers } = await lambda.invoke(
        "powertools",
        { item },
        { tail: true },
      );
      expect([functionError, json?.root], log).toEqual([
        undefined,
        /Root=([^;]+)/.exec(String(headers["x-amzn-trace-id"]))?.[1],
      ]);
      const lines = log.split("\n").flatMap((line) => (line.startsWith("{") ? [JSON.parse(line)] : []));
      calls.push({ requestId, lines });
    }
    const [first, second] = calls;
    const ordered = (call: typeof first) => call?.lines.find(({ message }) => message === "ordered");
    expect(ordered(first)).toMatchObject({
      cold_start: true,
      function_name: "powertools",
      function_memory_size: "512",
      function_request_id: first?.requestId,
      item: "pen",
      service: "shop",
    });
    expect(ordered(second)).toMatchObject({ cold_start: false, function_request_id: second?.requestId, item: "ink" });
    const coldStarts = (call: typeof first) => call?.lines.filter(({ ColdStart }) => ColdStart === 1).length;
    expect([coldStarts(first), coldStarts(second)]).toEqual([1, 0]);
    expect(first?.lines.filter(({ orders }) => orders !== undefined)).toHaveLength(1);
  });

  test("Express through serverless-http", async () => {
    await deploy(
      "express",
      `import express from "express"; import serverless from "serverless-http";
       const app = express();
       app.get("/hello/:name", (request, response) => response.status(201).json({ hello: request.params.name, q: request.query.q }));
       export const handler = serverless(app);`,
    );
    const { json, log } = await lambda.invoke("express", httpEvent("/hello/Ada", "q=1"), { tail: true });
    expect(json, log).toMatchObject({ statusCode: 201, body: '{"hello":"Ada","q":"1"}' });
  });

  test("Fastify through @fastify/aws-lambda", async () => {
    await deploy(
      "fastify",
      `import fastify from "fastify"; import awsLambdaFastify from "@fastify/aws-lambda";
       const app = fastify();
       app.get("/hello/:name", async (request) => ({ hello: request.params.name, id: request.awsLambda?.context.awsRequestId }));
       export const handler = awsLambdaFastify(app);`,
    );
    const { json, requestId, log } = await lambda.invoke("fastify", httpEvent("/hello/Ada"), { tail: true });
    expect([json?.statusCode, JSON.parse(json?.body ?? "{}")], log).toEqual([200, { hello: "Ada", id: requestId }]);
  });

  test("the AWS SDK is there for who does not bring it, in CommonJS and in ES modules", needsSandbox, async () => {
    const names = ["client-s3", "client-dynamodb", "lib-dynamodb", "client-sqs", "client-sns", "client-lambda"];
    const others = [
      "client-secrets-manager",
      "client-ssm",
      "client-sts",
      "client-eventbridge",
      "client-cloudwatch-logs",
    ];
    const required = [...names, ...others].map((name) => `require("@aws-sdk/${name}")`);
    await lambda.deploy("sdk-cjs", {
      files: {
        "index.js": `const clients = [${required}];
          exports.handler = async () => ({ counts: clients.map((each) => Object.keys(each).length), at: require("/var/runtime/node_modules/@aws-sdk/client-s3/package.json").name });`,
      },
      memoryMiB: 512,
      timeoutS: 20,
    });
    const { json, log } = await lambda.invoke("sdk-cjs", {}, { tail: true });
    expect(json?.at, log).toBe("@aws-sdk/client-s3");
    expect(Math.min(...json.counts)).toBeGreaterThan(10);
    await lambda.deploy("sdk-esm", {
      files: {
        "index.mjs": `import { PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
          import { DynamoDBDocumentClient } from "@aws-sdk/lib-dynamodb";
          import { getSignedUrl } from "@aws-sdk/s3-request-presigner";
          const credentials = { accessKeyId: "a", secretAccessKey: "b" };
          export const handler = async () => {
            const url = await getSignedUrl(new S3Client({ credentials }), new PutObjectCommand({ Bucket: "bucket", Key: "key" }));
            return [typeof DynamoDBDocumentClient.from, new URL(url).hostname];
          };`,
      },
      memoryMiB: 512,
      timeoutS: 20,
    });
    const esm = await lambda.invoke("sdk-esm", {}, { tail: true });
    expect(esm.json, esm.log).toEqual(["function", "bucket.s3.us-east-1.amazonaws.com"]);
  });

  test("middy streams", async () => {
    await deploy(
      "streamed",
      `import middy from "@middy/core"; import { Readable } from "node:stream";
       export const handler = middy({ streamifyResponse: true }).handler(async (event) => ({
         statusCode: 202, headers: { "content-type": "text/plain" }, body: Readable.from(["one ", "two ", event.name]),
       }));`,
    );
    const call = await StreamedCall.begin(hearth.url, "streamed", { name: "three" });
    const { text, complete } = await call.rest();
    expect(complete).toEqual({});
    expect(text).toBe('{"statusCode":202,"headers":{"content-type":"text/plain"}}\0\0\0\0\0\0\0\0one two three');
  });
});
