import { type IncomingHttpHeaders, request } from "node:http";
import {
  AddPermissionCommand,
  CreateFunctionUrlConfigCommand,
  type CreateFunctionUrlConfigCommandInput,
  DeleteFunctionCommand,
  UpdateFunctionUrlConfigCommand,
} from "@aws-sdk/client-lambda";
import { Hash } from "@smithy/core/serde";
import { SignatureV4 } from "@smithy/signature-v4";
import { beforeEach, describe, expect, test } from "vitest";
import type { AccountId } from "../../model/ids.ts";
import type { InvokeAnswer } from "../../ports/invoker.ts";
import {
  accessKeys,
  arn,
  cancelled,
  catalog,
  client,
  createSettled,
  finished,
  requests,
  serveLambdaRoutes,
  url,
} from "../lambda/lambda-routes-fixture.ts";

const account = "000000000000" as AccountId;
/** What the function returns to its URL. */
let returned: InvokeAnswer | undefined;
serveLambdaRoutes(() => returned);

type Answer = { readonly status: number; readonly headers: IncomingHttpHeaders; readonly body: string };
type Sent = {
  readonly method?: string;
  readonly headers?: Record<string, string | string[]>;
  readonly body?: string | Buffer;
};

let id: string;
let functionUrl: string;
const makeUrl = async (input: Partial<CreateFunctionUrlConfigCommandInput> = {}) => {
  const config = { FunctionName: "f", AuthType: "NONE" as const, ...input };
  const made = await client.send(new CreateFunctionUrlConfigCommand(config));
  functionUrl = made.FunctionUrl ?? "";
  id = new URL(functionUrl).hostname.split(".")[0] as string;
};
const permit = async (statement: object) => {
  const base = { FunctionName: "f", Principal: "*" };
  await client.send(
    new AddPermissionCommand({ ...base, StatementId: "url", Action: "lambda:InvokeFunctionUrl", ...statement }),
  );
  await client.send(
    new AddPermissionCommand({
      ...base,
      StatementId: "invoke",
      Action: "lambda:InvokeFunction",
      InvokedViaFunctionUrl: true,
      ...statement,
    }),
  );
};
const answers = (payload: unknown) => {
  returned = finished("ok", Buffer.from(typeof payload === "string" ? payload : JSON.stringify(payload)));
};
const hostName = () => `${id}.lambda-url.us-east-1.localhost`;

/** By host name, which this machine's resolver may not know: so the name is only said. */
function send(path: string, { method = "GET", headers = {}, body }: Sent = {}): Promise<Answer> {
  const { port } = new URL(url);
  return new Promise((resolve, reject) => {
    const host = `${hostName()}:${port}`;
    const options = { host: "127.0.0.1", port, path, method, headers: { host, ...headers }, agent: false as const };
    const outgoing = request(options, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("end", () => {
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          body: Buffer.concat(chunks).toString("latin1"),
        });
      });
    });
    outgoing.on("error", reject);
    outgoing.end(body);
  });
}

const lastEvent = () => JSON.parse(requests.at(-1)?.payload.toString() ?? "null");

beforeEach(async () => {
  answers("null");
  await createSettled({ Publish: true });
});

describe("the event", () => {
  beforeEach(async () => {
    await makeUrl();
    await permit({});
  });

  test("is payload format 2.0", async () => {
    const traceId = "Root=1-00000000-000000000000000000000000";
    await send("/a%20b/c?x=1&x=2&y=%C3%A4&z", {
      method: "POST",
      headers: {
        "Content-Type": "application/json",
        "User-Agent": "test",
        "X-One": ["1", "2"],
        Cookie: "a=1; b=2",
        "X-Amzn-Trace-Id": traceId,
        Connection: "close",
      },
      body: '{"ä":1}',
    });
    const { port, host } = new URL(functionUrl);
    expect(host).toBe(`${hostName()}:${port}`);
    expect(lastEvent()).toEqual({
      version: "2.0",
      routeKey: "$default",
      rawPath: "/a%20b/c",
      rawQueryString: "x=1&x=2&y=%C3%A4&z",
      cookies: ["a=1", "b=2"],
      headers: {
        host,
        "content-length": "8",
        "content-type": "application/json",
        cookie: "a=1; b=2",
        "user-agent": "test",
        "x-one": "1,2",
        "x-amzn-trace-id": traceId,
        "x-forwarded-for": "127.0.0.1",
        "x-forwarded-port": port,
        "x-forwarded-proto": "http",
      },
      queryStringParameters: { x: "1,2", y: "ä", z: "" },
      requestContext: {
        accountId: "anonymous",
        apiId: id,
        domainName: hostName(),
        domainPrefix: id,
        http: { method: "POST", path: "/a%20b/c", protocol: "HTTP/1.1", sourceIp: "127.0.0.1", userAgent: "test" },
        requestId: requests.at(-1)?.id,
        routeKey: "$default",
        stage: "$default",
        time: expect.stringMatching(/^\d\d\/[A-Z][a-z]{2}\/\d{4}:\d\d:\d\d:\d\d \+0000$/),
        timeEpoch: expect.any(Number),
      },
      body: '{"ä":1}',
      isBase64Encoded: false,
    });
    expect(requests.at(-1)).toMatchObject({ invokedArn: arn, traceId });
  });

  test.each([
    ["text/plain; charset=utf-8", Buffer.from("text"), "text"],
    ["application/vnd.api+json", Buffer.from("{}"), "{}"],
    ["image/svg+xml", Buffer.from("<svg/>"), "<svg/>"],
    ["application/json", Buffer.from([0xff, 0xfe]), undefined],
    ["application/octet-stream", Buffer.from("text"), undefined],
    ["application/x-www-form-urlencoded", Buffer.from("a=1"), undefined],
    [undefined, Buffer.from("text"), undefined],
  ])("a body of type %s", async (type, body, text) => {
    await send("/", { method: "PUT", body, headers: type === undefined ? {} : { "content-type": type } });
    const encoded = { body: body.toString("base64"), isBase64Encoded: true };
    expect(lastEvent()).toMatchObject(text === undefined ? encoded : { body: text, isBase64Encoded: false });
  });

  test("a request without a body, a query or cookies has none of them", async () => {
    await send("/");
    expect(lastEvent().isBase64Encoded).toBe(false);
    for (const member of ["body", "cookies", "queryStringParameters"]) expect(lastEvent()).not.toHaveProperty(member);
  });

  test("names that objects have of their own are names like others", async () => {
    await send("/?__proto__=1&constructor=2", { headers: { __proto__x: "1", constructor: "2" } });
    expect(lastEvent().queryStringParameters).toEqual(JSON.parse('{"__proto__":"1","constructor":"2"}'));
    expect(lastEvent().headers).toMatchObject({ constructor: "2" });
  });

  test("what is too large is refused, also when it becomes so as an event", async () => {
    const large = Buffer.alloc(6 * 1024 * 1024 + 1);
    expect((await send("/", { method: "POST", body: large })).status).toBe(413);
    expect((await send("/", { method: "POST", body: large.subarray(0, 5 * 1024 * 1024) })).status).toBe(413);
    expect((await send("/", { method: "POST", body: large.subarray(0, 4 * 1024 * 1024) })).status).toBe(200);
    expect((await send("/", { headers: { "x-large": "x".repeat(20_000) } })).status).toBe(431);
  });
});

describe("the response", () => {
  beforeEach(async () => {
    await makeUrl();
    await permit({});
  });

  const json = { "content-type": "application/json" };
  test.each<[unknown, number, object, string]>([
    [{ hello: "world" }, 200, json, '{"hello":"world"}'],
    [{ statusCode: 200, body: "text" }, 200, json, "text"],
    [
      { statusCode: 201, body: "<p>", headers: { "Content-Type": "text/html", "X-N": 1 } },
      201,
      { "content-type": "text/html", "x-n": "1" },
      "<p>",
    ],
    [{ statusCode: "404" }, 404, json, ""],
    [{ statusCode: 200, body: "aGk=", isBase64Encoded: true }, 200, json, "hi"],
    [{ statusCode: 200, body: { a: 1 } }, 200, json, '{"a":1}'],
    [{ statusCode: 200, cookies: ["a=1; Secure", "b=2"] }, 200, { "set-cookie": ["a=1; Secure", "b=2"] }, ""],
    [{ statusCode: 204, body: "none" }, 204, {}, ""],
    [
      {
        statusCode: 200,
        body: "x",
        headers: { "Content-Length": "99", "Transfer-Encoding": "chunked", Connection: "upgrade" },
      },
      200,
      { "content-length": "1" },
      "x",
    ],
    ["[1, 2]", 200, json, "[1, 2]"],
    ['"hello"', 200, json, "hello"],
    ["3.5", 200, json, "3.5"],
    ["true", 200, json, "true"],
    ["null", 200, json, "null"],
    ["not json", 200, json, "not json"],
    [{ statusCode: "abc" }, 502, json, "Internal Server Error"],
    [{ statusCode: 99 }, 502, json, "Internal Server Error"],
    [{ statusCode: 101 }, 502, json, "Internal Server Error"],
    [{ statusCode: 200, headers: { "a b": "1" } }, 502, json, "Internal Server Error"],
    [{ statusCode: 200, headers: { a: "1\r\nB: 2" } }, 502, json, "Internal Server Error"],
    [{ statusCode: 200, headers: "none" }, 502, json, "Internal Server Error"],
    [{ statusCode: 200, cookies: ["a\n"] }, 502, json, "Internal Server Error"],
  ])("of %j is %i %j %s", async (payload, status, headers, body) => {
    answers(payload);
    const answer = await send("/");
    expect(answer).toMatchObject({ status, headers, body });
    expect(answer.headers["x-amzn-requestid"]).toBe(requests.at(-1)?.id);
  });

  test("a failed execution is told to nobody", async () => {
    for (const outcome of [
      "functionError",
      "initError",
      "timeout",
      "exit",
      "outOfMemory",
      "responseTooLarge",
    ] as const) {
      returned = finished(outcome, Buffer.from('{"errorMessage":"secret"}'));
      expect(await send("/")).toMatchObject({ status: 502, body: "Internal Server Error" });
    }
  });

  test("throttling and overload are told", async () => {
    returned = { kind: "rejected", code: "CONCURRENCY_LIMIT" };
    const throttled = await send("/");
    expect(throttled).toMatchObject({ status: 429, headers: { "x-amzn-errortype": "TooManyRequestsException" } });
    returned = { kind: "rejected", code: "SHUTTING_DOWN" };
    expect((await send("/")).status).toBeGreaterThanOrEqual(500);
  });

  test("HEAD has a head only", async () => {
    answers({ statusCode: 200, body: "12345" });
    expect(await send("/", { method: "HEAD" })).toMatchObject({
      status: 200,
      body: "",
      headers: { "content-length": "5" },
    });
  });

  test("a caller that hangs up is not waited for", async () => {
    returned = undefined;
    const { port } = new URL(url);
    const headers = { host: hostName() };
    const outgoing = request({ host: "127.0.0.1", port, headers, agent: false });
    outgoing.on("error", () => {});
    outgoing.end();
    await expect.poll(() => requests.length).toBe(1);
    outgoing.destroy();
    await expect.poll(() => cancelled).toEqual([requests[0]?.id]);
  });
});

describe("who may", () => {
  const FORBIDDEN = {
    Message:
      "Forbidden. For troubleshooting Function URL authorization issues, see: https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html",
  };
  const denied = async (sent: Sent = {}, path = "/") => {
    const answer = await send(path, sent);
    expect([answer.status, answer.headers["x-amzn-errortype"]]).toEqual([403, "AccessDeniedException"]);
    return JSON.parse(answer.body);
  };

  test("a URL that is none is forbidden, and its name leads to nothing else", async () => {
    id = "a".repeat(32);
    expect(await denied()).toEqual({ Message: null });
    id = "x";
    expect(await denied({}, "/2015-03-31/functions")).toEqual({ Message: null });
    expect((await fetch(`${url}/_hearth/url/${"b".repeat(32)}/`)).status).toBe(403);
  });

  test("everyone, when both permissions are given to everyone", async () => {
    await makeUrl();
    expect(await denied()).toEqual(FORBIDDEN);
    const everyone = { FunctionName: "f", Principal: "*" };
    await client.send(
      new AddPermissionCommand({
        ...everyone,
        StatementId: "url",
        Action: "lambda:InvokeFunctionUrl",
        FunctionUrlAuthType: "NONE",
      }),
    );
    expect(await denied()).toEqual(FORBIDDEN);
    await client.send(
      new AddPermissionCommand({
        ...everyone,
        StatementId: "invoke",
        Action: "lambda:InvokeFunction",
        InvokedViaFunctionUrl: true,
      }),
    );
    expect((await send("/")).status).toBe(200);
    const wanted = { FunctionName: "f", AuthType: "AWS_IAM" as const };
    await client.send(new UpdateFunctionUrlConfigCommand(wanted));
    expect(await denied()).toEqual(FORBIDDEN);
  });

  test("a page of another site, for that is what URLs are for; and not its reader's API by it", async () => {
    await makeUrl();
    await permit({});
    const origin = { origin: "https://elsewhere.example" };
    expect((await send("/", { headers: origin })).status).toBe(200);
    const byPath = await fetch(`${url}/_hearth/url/${id}/below?x=1`, { headers: origin });
    expect(byPath.status).toBe(200);
    expect(byPath.headers.get("content-security-policy")).toMatch(/^sandbox /);
    expect(byPath.headers.get("content-security-policy")).not.toContain("allow-same-origin");
    expect(lastEvent()).toMatchObject({ rawPath: "/below", rawQueryString: "x=1" });
  });

  const signed = async (accountId: AccountId, path: string, secret?: string): Promise<Sent> => {
    const { accessKeyId, secretAccessKey } = await accessKeys.create(accountId);
    const credentials = { accessKeyId, secretAccessKey: secret ?? secretAccessKey };
    const signer = new SignatureV4({
      credentials,
      region: "us-east-1",
      service: "lambda",
      sha256: Hash.bind(null, "sha256"),
    });
    const [pathname = "", search] = path.split("?");
    const query = Object.fromEntries(new URLSearchParams(search));
    const host = `${hostName()}:${new URL(url).port}`;
    const parts = { method: "POST", protocol: "http:", hostname: host, path: pathname, query };
    const { headers } = await signer.sign({ ...parts, headers: { host, "content-type": "text/plain" }, body: "hi" });
    return { method: "POST", headers, body: "hi" };
  };

  test("its owner, who signs; the event says who it was, and the signature stays here", async () => {
    await makeUrl({ AuthType: "AWS_IAM" });
    const path = "/a%20b?x=1";
    expect((await send(path, await signed(account, path))).status).toBe(200);
    const { requestContext, headers, body } = lastEvent();
    expect(body).toBe("hi");
    expect(headers).not.toHaveProperty("authorization");
    expect(requestContext).toMatchObject({
      accountId: account,
      authentication: null,
      authorizer: {
        iam: { accountId: account, userArn: `arn:aws:iam::${account}:root`, accessKey: expect.any(String) },
      },
    });
  });

  test("nobody unsigned or with a wrong or unknown signature, on loopback neither", async () => {
    await makeUrl({ AuthType: "AWS_IAM" });
    expect(await denied()).toEqual(FORBIDDEN);
    const wrong = await send("/", await signed(account, "/", "wrong"));
    expect([wrong.status, wrong.headers["x-amzn-errortype"]]).toEqual([403, "InvalidSignatureException"]);
    const { headers, ...rest } = await signed(account, "/");
    const unknown = String(headers?.["authorization"]).replace(/Credential=[^/]+/, "Credential=AKIAUNKNOWN");
    const stranger = await send("/", { ...rest, headers: { ...headers, authorization: unknown } });
    expect([stranger.status, stranger.headers["x-amzn-errortype"]]).toEqual([403, "UnrecognizedClientException"]);
    expect((await send("/other", await signed(account, "/"))).status).toBe(403);
    expect(requests).toEqual([]);
  });

  test("another account, when both permissions are given to it", async () => {
    const other = "111111111111" as AccountId;
    await makeUrl({ AuthType: "AWS_IAM" });
    expect(await denied(await signed(other, "/"))).toEqual(FORBIDDEN);
    await permit({ Principal: other });
    expect((await send("/", await signed(other, "/"))).status).toBe(200);
    expect(lastEvent().requestContext.accountId).toBe(other);
    expect(await denied(await signed("222222222222" as AccountId, "/"))).toEqual(FORBIDDEN);
  });

  test("an alias's URL has the alias's policy, and goes with it", async () => {
    await catalog.aliases.create(account, "f", "live", { version: "1", description: "", route: undefined });
    await makeUrl({ Qualifier: "live" });
    await permit({});
    expect(await denied()).toEqual(FORBIDDEN);
    await permit({ Qualifier: "live" });
    expect((await send("/")).status).toBe(200);
    expect(requests.at(-1)).toMatchObject({ invokedArn: `${arn}:live`, version: { version: "1" } });
    await catalog.aliases.delete(account, "f", "live");
    expect(await denied()).toEqual({ Message: null });
  });

  test("nobody after the function is gone", async () => {
    await makeUrl();
    await permit({});
    await client.send(new DeleteFunctionCommand({ FunctionName: "f" }));
    expect(await denied()).toEqual({ Message: null });
  });
});

describe("CORS", () => {
  const Cors = {
    AllowOrigins: ["https://a.example", "https://b.example"],
    AllowMethods: ["GET", "POST"],
    AllowHeaders: ["x-one"],
    ExposeHeaders: ["x-two"],
    AllowCredentials: true,
    MaxAge: 60,
  };
  const preflight = (origin: string) =>
    send("/", { method: "OPTIONS", headers: { origin, "access-control-request-method": "POST" } });

  test("preflights are answered for the function", async () => {
    await makeUrl({ Cors });
    expect(await preflight("https://b.example")).toMatchObject({
      status: 200,
      headers: {
        "access-control-allow-origin": "https://b.example",
        "access-control-allow-methods": "GET,POST",
        "access-control-allow-headers": "x-one",
        "access-control-allow-credentials": "true",
        "access-control-max-age": "60",
        vary: "Origin",
      },
    });
    const refused = await preflight("https://c.example");
    expect(refused.status).toBe(200);
    expect(Object.keys(refused.headers).filter((name) => name.startsWith("access-control"))).toEqual([]);
    expect(requests).toEqual([]);
  });

  test("answers carry what the settings say, and not what the function says of it", async () => {
    await makeUrl({ Cors });
    await permit({});
    answers({
      statusCode: 200,
      headers: {
        "Access-Control-Allow-Origin": "https://evil.example",
        "Access-Control-Allow-Methods": "*",
        Vary: "Accept",
      },
    });
    const { headers } = await send("/", { headers: { origin: "https://a.example" } });
    expect(headers).toMatchObject({
      "access-control-allow-origin": "https://a.example",
      "access-control-expose-headers": "x-two",
      vary: "Accept, Origin",
    });
    expect(headers).not.toHaveProperty("access-control-allow-methods");
    const other = await send("/", { headers: { origin: "https://evil.example" } });
    expect(other.headers).not.toHaveProperty("access-control-allow-origin");
  });

  test("all origins are named by a star, unless there are credentials", async () => {
    await makeUrl({ Cors: { AllowOrigins: ["*"] } });
    await permit({});
    const ask = async () => (await send("/", { headers: { origin: "https://x.example" } })).headers;
    expect((await ask())["access-control-allow-origin"]).toBe("*");
    const config = { FunctionName: "f", Cors: { AllowOrigins: ["*"], AllowCredentials: true } };
    await client.send(new UpdateFunctionUrlConfigCommand(config));
    expect((await ask())["access-control-allow-origin"]).toBe("https://x.example");
  });

  test("without settings the function answers for itself, preflights too", async () => {
    await makeUrl();
    await permit({});
    answers({ statusCode: 200, headers: { "access-control-allow-origin": "mine" } });
    expect((await preflight("https://a.example")).headers["access-control-allow-origin"]).toBe("mine");
    expect(lastEvent().requestContext.http.method).toBe("OPTIONS");
  });
});
