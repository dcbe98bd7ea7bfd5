import { once } from "node:events";
import { Agent, type IncomingMessage, request } from "node:http";
import { connect } from "node:net";
import { buffer } from "node:stream/consumers";
import fc from "fast-check";
import { expect, test } from "vitest";
import { shapeOf } from "./constraints.ts";
import model from "./lambda-constraints.json" with { type: "json" };
import {
  arn,
  call,
  create,
  createSettled,
  invokePath,
  role,
  serveLambdaRoutes,
  url,
  zip,
} from "./lambda-routes-fixture.ts";

/**
 * Requests that nobody's client makes, drawn from the service model and broken on purpose: each is answered, with a status and in the
 * form of Lambda's, and the server serves on. An exception that is none of Hearth's fails the run by itself.
 */
const REQUESTS = 3000;
const HEADS = 400;
const ANSWER_MS_MAX = 5000;
/** Of the front door and the operations; what is broken in a request is never the server's fault. */
const STATUSES = new Set([200, 201, 202, 204, 400, 403, 404, 405, 409, 412, 413, 415, 429]);
/** 501 is what `node:http` is to say of a transfer encoding that it does not know. */
const HEAD_STATUS = /^HTTP\/1\.1 (200|400|403|404|405|408|411|413|414|415|417|431|501) /;

serveLambdaRoutes();

type Model = {
  readonly method: string;
  readonly path: string;
  readonly input?: string;
};
const operations = Object.entries(model.operations) as readonly [string, Model][];

/** Text that has broken parsers before. */
const hostileText = fc.oneof(
  fc.string({ unit: "binary", maxLength: 40 }),
  fc.constantFrom(
    "",
    "..",
    "../../etc/passwd",
    "..%2f..%2f",
    "%00",
    "\u0000",
    "$LATEST",
    "$LATEST:1",
    "__proto__",
    "constructor",
    "toString",
    "-1",
    "1e999",
    "NaN",
    "null",
    "[object Object]",
    "a".repeat(1500),
    ":".repeat(300),
    "\ud800",
    "ﬀ",
    "'; --",
    "arn:aws:lambda:us-east-1:000000000000:function:",
    "arn:aws:lambda:us-east-1:999999999999:function:f",
    "arn:aws:lambda:us-east-1:000000000000:layer:l:99999999999999999999",
  ),
);
const knownText = fc.constantFrom(
  "f",
  "1",
  "prod",
  "$LATEST",
  arn,
  `${arn}:1`,
  role,
  "l",
  "index.handler",
  "nodejs24.x",
);
/** An ARN or a name with something cut out, doubled or put in. */
const mutatedText = fc
  .tuple(
    fc.constantFrom(arn, `${arn}:prod`, role, "f", "index.handler"),
    fc.nat(),
    fc.nat(8),
    fc.string({ maxLength: 4 }),
  )
  .map(([text, at, length, put]) => {
    const from = at % (text.length + 1);
    return text.slice(0, from) + put + text.slice(from + length);
  });
const anyText = fc.oneof(knownText, hostileText, mutatedText);
const anyNumber = fc.oneof(fc.integer(), fc.double(), fc.constantFrom(0, -1, 128, 10_240, 2 ** 53, 1e308));

/** Of the type that the model says, or of another. @param depth how many structures it may still hold. */
function memberOf(name: string, depth: number): fc.Arbitrary<unknown> {
  const wrong = fc.oneof(anyText, anyNumber, fc.boolean(), fc.constant(null), fc.jsonValue({ maxDepth: 3 }));
  const shape = shapeOf(name);
  const right = (() => {
    switch (shape.type) {
      case "structure":
        return depth === 0 ? fc.constant({}) : structureOf(name, depth - 1);
      case "list":
        return fc.array(anyText, { maxLength: 4 });
      case "map":
        return fc.dictionary(fc.oneof(anyText, fc.constant("__proto__")), anyText, { maxKeys: 4 });
      case "blob":
        return fc.oneof(fc.constant(zip.toString("base64")), fc.base64String(), anyText);
      case "boolean":
        return fc.boolean();
      case "integer":
      case "long":
      case "double":
        return anyNumber;
      default:
        return anyText;
    }
  })();
  return fc.oneof({ weight: 4, arbitrary: right }, { weight: 1, arbitrary: wrong });
}

function structureOf(name: string, depth: number): fc.Arbitrary<object> {
  const members = Object.entries(shapeOf(name).members ?? {});
  const values = Object.fromEntries(members.map(([member, { shape }]) => [member, memberOf(shape, depth)]));
  return fc.record(values, { requiredKeys: [] });
}

/** What is accepted as it stands, so that what is broken in it is met behind the door. */
const ACCEPTED: Readonly<Record<string, object>> = {
  CreateFunction: {
    FunctionName: "g",
    Runtime: "nodejs24.x",
    Handler: "index.handler",
    Role: role,
    Code: { ZipFile: zip.toString("base64") },
  },
  UpdateFunctionCode: { ZipFile: zip.toString("base64") },
  UpdateFunctionConfiguration: { Description: "d", MemorySize: 256 },
  PublishVersion: {},
  CreateAlias: { Name: "prod", FunctionVersion: "$LATEST" },
  UpdateAlias: { FunctionVersion: "$LATEST" },
  AddPermission: { StatementId: "s", Action: "lambda:InvokeFunction", Principal: "events.amazonaws.com" },
  PublishLayerVersion: { Content: { ZipFile: zip.toString("base64") } },
  AddLayerVersionPermission: { StatementId: "s", Action: "lambda:GetLayerVersion", Principal: "*" },
  CreateFunctionUrlConfig: { AuthType: "NONE" },
  UpdateFunctionUrlConfig: { Cors: { AllowOrigins: ["*"] } },
  PutFunctionEventInvokeConfig: { MaximumRetryAttempts: 0 },
  UpdateFunctionEventInvokeConfig: { MaximumEventAgeInSeconds: 60 },
  PutFunctionConcurrency: { ReservedConcurrentExecutions: 1 },
  PutFunctionRecursionConfig: { RecursiveLoop: "Allow" },
  PutRuntimeManagementConfig: { UpdateRuntimeOn: "Auto" },
  TagResource: { Tags: { a: "b" } },
};
const PATH_PARAMETERS: Readonly<Record<string, fc.Arbitrary<string>>> = {
  FunctionName: fc.constantFrom("f", "f", "g", arn, "f:prod", "f:1"),
  Name: fc.constantFrom("prod", "1"),
  Qualifier: fc.constantFrom("prod", "1"),
  LayerName: fc.constantFrom("l"),
  VersionNumber: fc.constantFrom("1"),
  StatementId: fc.constantFrom("s"),
  Resource: fc.constantFrom(arn),
};

/** Accepted ones with some members broken, or anything. */
function bodyOf(operation: string, input: string | undefined): fc.Arbitrary<object> {
  if (input === undefined) return fc.constant({});
  const accepted = ACCEPTED[operation];
  if (accepted === undefined) return structureOf(input, 2);
  return fc.oneof(
    fc.constant(accepted),
    fc.tuple(fc.nat(200), structureOf(input, 2)).map(([at, drawn]) => {
      const members = Object.entries(drawn);
      const broken = members.slice(at % (members.length + 1)).slice(0, 1 + (at % 2));
      return { ...accepted, ...Object.fromEntries(broken) };
    }),
    structureOf(input, 2),
  );
}

const brokenJson = fc.oneof(
  fc.constantFrom(
    "{",
    "[",
    '{"a":1,}',
    '{"FunctionName":"f","FunctionName":"g"}',
    "NaN",
    '"',
    "\ufeff{}",
    "nul",
    "[".repeat(20_000),
    `${'{"a":'.repeat(5000)}1${"}".repeat(5000)}`,
    '{"MemorySize":1e999}',
    '{"__proto__":{"FunctionName":"f"}}',
  ),
  fc.string({ unit: "binary", maxLength: 60 }),
);

type Drawn = {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer | undefined;
};

const headerText = fc.oneof(
  fc.constantFrom(
    "",
    "Event",
    "event",
    "DryRun",
    "Tail",
    "None",
    "application/json",
    "text/plain",
    "e30=",
    "!!!!",
    "1",
    "x".repeat(1500),
  ),
  fc.string({ unit: "grapheme-ascii", maxLength: 60 }),
);
const headers = fc.dictionary(
  fc.constantFrom(
    "x-amz-invocation-type",
    "x-amz-log-type",
    "x-amz-client-context",
    "x-amzn-trace-id",
    "traceparent",
    "content-type",
    "authorization",
    "x-amz-date",
    "x-amz-content-sha256",
    "x-amz-security-token",
    "x-amz-target",
    "x-hearth-deadline",
    "if-match",
  ),
  headerText,
  { maxKeys: 4 },
);
const query: fc.Arbitrary<[string, string][]> = fc.array(
  fc.tuple(
    fc.constantFrom(
      "Qualifier",
      "MaxItems",
      "Marker",
      "FunctionVersion",
      "RevisionId",
      "CompatibleRuntime",
      "find",
      "Arn",
      "tagKeys",
      "X",
    ),
    anyText,
  ),
  { maxLength: 3 },
);

/** Of any operation of the model, with or without a method of its own. */
const requests: fc.Arbitrary<Drawn> = fc.constantFrom(...operations).chain(([operation, { method, path, input }]) =>
  fc
    .record({
      method: fc.oneof(
        { weight: 9, arbitrary: fc.constant(method) },
        { weight: 1, arbitrary: fc.constantFrom("PATCH", "PUT", "HEAD", "DELETE") },
      ),
      values: fc.tuple(
        ...Array.from(path.matchAll(/\{([^}+]+)\+?\}/g), ([, name = ""]) =>
          fc.oneof({ weight: 4, arbitrary: PATH_PARAMETERS[name] ?? knownText }, { weight: 1, arbitrary: anyText }),
        ),
      ),
      isRaw: fc.boolean(),
      query: fc.oneof(fc.constant<[string, string][]>([]), query),
      headers: fc.oneof(fc.constant({}), headers),
      body: fc.oneof(
        { weight: 8, arbitrary: bodyOf(operation, input) },
        { weight: 1, arbitrary: fc.jsonValue() },
        { weight: 2, arbitrary: brokenJson.map((text) => Buffer.from(text)) },
        { weight: 1, arbitrary: fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)) },
        { weight: 1, arbitrary: fc.constant(undefined) },
      ),
    })
    .map((drawn) => {
      let at = 0;
      const filled = path.replace(/\{[^}]+\}/g, () => encoded(drawn.values[at++] ?? "", drawn.isRaw));
      const asked = drawn.query.map(([name, value]) => `${name}=${encoded(value, false)}`).join("&");
      const { body } = drawn;
      return {
        method: drawn.method,
        path: asked === "" ? filled : `${filled}?${asked}`,
        headers: drawn.headers,
        body: body === undefined || Buffer.isBuffer(body) ? body : Buffer.from(JSON.stringify(body)),
      };
    }),
);

/** @param isRaw as it stands, as far as a request line can hold it. */
function encoded(text: string, isRaw: boolean): string {
  if (isRaw) return text.replace(/[^!-~]|[?#]/g, "%");
  return encodeURIComponent(text.toWellFormed());
}

test("whatever is asked, the answer is one of Lambda's, and the server serves on", { timeout: 120_000 }, async () => {
  await createSettled();
  const agent = new Agent({ keepAlive: true });
  const seen = new Map<number, number>();
  try {
    await fc.assert(
      fc.asyncProperty(requests, async (drawn) => {
        const { status, type, text } = await answerTo(drawn, agent);
        seen.set(status, (seen.get(status) ?? 0) + 1);
        expect(STATUSES, text).toContain(status);
        if (status < 400 || drawn.method === "HEAD") return;
        expect(text, `body of a ${status}`).toMatch(/^\{/);
        const said = JSON.parse(text) as { message?: string; Message?: string };
        expect(typeof (said.message ?? said.Message), text).toBe("string");
        expect(type, text).toMatch(/^[A-Za-z]+(Exception|Error)?$/);
      }),
      { numRuns: REQUESTS },
    );
  } finally {
    agent.destroy();
  }
  // What is refused at the door alone would show nothing.
  for (const status of [200, 201, 204, 400, 404])
    expect(seen.get(status) ?? 0, `answers of status ${status}`).toBeGreaterThan(0);
  await create({ FunctionName: "still" });
  await expect.poll(async () => (await call("POST", invokePath("still"), "{}")).status).toBe(200);
});

test("bytes that are no request end their connection, with an answer where there is one, and nobody else's", {
  timeout: 60_000,
}, async () => {
  await createSettled();
  const line = fc.oneof(
    fc.constantFrom(
      "GET / HTTP/1.1\r\n",
      "POST /2015-03-31/functions/f/invocations HTTP/1.1\r\n",
      "POST /2015-03-31/functions/f/invocations HTTP/9.9\r\n",
      "GET /%zz HTTP/1.1\r\n",
      "GET //../../etc/passwd HTTP/1.1\r\n",
      `GET /${"a".repeat(20_000)} HTTP/1.1\r\n`,
      "PRI * HTTP/2.0\r\n",
      "\x16\x03\x01\x02\x00",
    ),
    fc.string({ maxLength: 60 }),
  );
  const field = fc.oneof(
    fc.constantFrom(
      "Host: x\r\n",
      "Content-Length: 5\r\n",
      "Content-Length: 6\r\n",
      "Content-Length: -1\r\n",
      "Content-Length: 99999999999999999999\r\n",
      "Transfer-Encoding: chunked\r\n",
      "Transfer-Encoding: gzip\r\n",
      "Expect: 100-continue\r\n",
      "Expect: nothing\r\n",
      "X: \x01\r\n",
      " folded\r\n",
      `Y: ${"y".repeat(70_000)}\r\n`,
      "Connection: upgrade\r\nUpgrade: websocket\r\n",
    ),
    fc.string({ unit: "binary", maxLength: 30 }),
  );
  const rest = fc.constantFrom(
    "\r\n",
    "\r\nhello",
    "\r\n5\r\nhello\r\n0\r\n\r\n",
    "\r\nzz\r\n",
    "\r\nfffffffffffffffff\r\n",
    "",
  );
  await fc.assert(
    fc.asyncProperty(line, fc.array(field, { maxLength: 5 }), rest, async (first, fields, last) => {
      const answer = await said(first + fields.join("") + last);
      if (answer !== "") expect(answer).toMatch(HEAD_STATUS);
    }),
    { numRuns: HEADS },
  );
  await expectToServe();
});

async function answerTo({ method, path, headers: given, body }: Drawn, agent: Agent) {
  const signal = AbortSignal.timeout(ANSWER_MS_MAX);
  // By itself Node.js tells the length of a body only for methods that usually have one.
  const length = body === undefined ? {} : { "content-length": body.length };
  const outgoing = request(url + path, { method, headers: { ...given, ...length }, agent, signal });
  outgoing.end(body);
  const [response] = (await once(outgoing, "response")) as [IncomingMessage];
  const text = (await buffer(response)).toString();
  return { status: response.statusCode ?? 0, type: response.headers["x-amzn-errortype"], text };
}

/** What comes back until the other side hangs up, or this side has said all and waited for a moment. */
async function said(bytes: string): Promise<string> {
  const socket = connect({ host: "127.0.0.1", port: Number(new URL(url).port), allowHalfOpen: true });
  socket.on("error", () => {}); // It may hang up while this side still sends.
  socket.setTimeout(ANSWER_MS_MAX, () => socket.destroy(new Error("no answer and no end")));
  const ended = new Promise<string>((resolve) => {
    let text = "";
    socket.on("data", (chunk) => {
      text += chunk.toString("latin1");
    });
    socket.on("close", () => resolve(text));
    socket.on("end", () => socket.end());
  });
  socket.end(Buffer.from(bytes, "latin1"));
  return ended;
}

async function expectToServe(): Promise<void> {
  const answer = await call("POST", invokePath("f"), '{"still":"here"}');
  expect([answer.status, await answer.text()]).toEqual([200, '{"still":"here"}']);
}
