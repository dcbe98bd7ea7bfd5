import { Hash } from "@smithy/core/serde";
import { SignatureV4 } from "@smithy/signature-v4";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { AccountId } from "../../model/ids.ts";
import type { AccessKeys } from "../../ports/access-keys.ts";
import { createHttpServer, type HttpServer } from "../http-server.ts";
import type { QueryInput } from "./query-input.ts";
import { members } from "./query-service.ts";
import { addServiceRoutes } from "./service-routes.ts";

const key = { accessKeyId: "AKIAEXAMPLE", secretAccessKey: "s3cret", accountId: "111111111111" as AccountId };
const accessKeys = { find: (id: string) => (id === key.accessKeyId ? key : undefined) } as AccessKeys;
const clock = { nowMs: () => Date.now(), monotonicMs: () => 0 };
const region = "eu-central-1";

let server: HttpServer;
let url: string;
beforeAll(async () => {
  // Bound to every address, where nobody is trusted without a signature.
  server = createHttpServer({
    host: "0.0.0.0",
    port: 0,
    region,
    accessKeys,
    clock,
    onError: (error) => expect.fail(String(error)),
  });
  const logs = {
    target: "Logs_20140328",
    inputError: "InvalidParameterException",
    operations: { Echo: (input: unknown, accountId: AccountId) => ({ input, accountId }) },
  };
  const query = (version: string, name: string) => ({
    version,
    namespace: `https://${name}.test/`,
    operations: {
      Who: (input: QueryInput, accountId: AccountId) => ({
        Service: name,
        Account: accountId,
        Said: input.text("Say"),
      }),
      List: (input: QueryInput) => ({ All: members(input.texts("Each")), None: members([]) }),
    },
  });
  addServiceRoutes(server, { logs, sts: query("1", "sts"), iam: query("2", "iam") });
  url = `http://127.0.0.1:${(await server.listen()).port}/`;
});
afterAll(() => server.close(0));

type Call = { readonly target?: string; readonly body?: string; readonly service?: string; readonly region?: string };

async function send(call: Call): Promise<{ status: number; text: string; headers: Headers }> {
  const { target, body = "{}", service, region: signedRegion = region } = call;
  const { host, port } = new URL(url);
  const headers: Record<string, string> = { host, ...(target === undefined ? {} : { "x-amz-target": target }) };
  const request = {
    method: "POST",
    protocol: "http:",
    hostname: "127.0.0.1",
    port: Number(port),
    path: "/",
    headers,
    body,
  };
  const signer = (name: string) =>
    new SignatureV4({ credentials: key, region: signedRegion, service: name, sha256: Hash.bind(null, "sha256") });
  const signed = service === undefined ? request : await signer(service).sign({ ...request, query: {} });
  const { host: _, ...sent } = signed.headers;
  const response = await fetch(url, { method: "POST", headers: sent, body });
  return { status: response.status, text: await response.text(), headers: response.headers };
}

const logsEcho = { target: "Logs_20140328.Echo", service: "logs" };

test("what is signed for a service is done for the account of the key", async () => {
  const answer = await send({ ...logsEcho, body: '{"a":1}' });
  expect(answer.status).toBe(200);
  expect(answer.headers.get("content-type")).toBe("application/x-amz-json-1.1");
  expect(JSON.parse(answer.text)).toEqual({ input: { a: 1 }, accountId: key.accountId });
});

test("refusals are told as the service's clients read them", async () => {
  const refused = async (call: Call) => {
    const { status, text } = await send(call);
    return [status, JSON.parse(text).__type];
  };
  expect(await refused({ target: "Logs_20140328.Echo" })).toEqual([403, "MissingAuthenticationTokenException"]);
  expect(await refused({ ...logsEcho, service: "lambda" })).toEqual([403, "InvalidSignatureException"]);
  expect(await refused({ ...logsEcho, region: "us-east-1" })).toEqual([403, "InvalidSignatureException"]);
  expect(await refused({ ...logsEcho, body: "no json" })).toEqual([400, "SerializationException"]);
  for (const name of ["Nothing", "toString", "__proto__"]) {
    expect(await refused({ ...logsEcho, target: `Logs_20140328.${name}` })).toEqual([400, "UnknownOperationException"]);
  }
  expect(await refused({ ...logsEcho, target: "Other_1.Echo" })).toEqual([404, "UnknownOperationException"]);
});

test("the query protocol tells services apart by their versions", async () => {
  for (const [version, service] of [
    ["1", "sts"],
    ["2", "iam"],
  ] as const) {
    // Both are signed for this region wherever the server is, or for its own.
    for (const from of [region, "us-east-1"]) {
      const body = `Action=Who&Version=${version}&Say=${encodeURIComponent("a <b> & ü")}`;
      const answer = await send({ service, body, region: from });
      expect(answer.headers.get("content-type")).toBe("text/xml");
      expect(answer.text).toMatch(
        new RegExp(
          `^<WhoResponse xmlns="https://${service}\\.test/"><WhoResult><Service>${service}</Service>` +
            "<Account>111111111111</Account><Said>a &lt;b&gt; &amp; ü</Said></WhoResult>" +
            "<ResponseMetadata><RequestId>[0-9a-f-]{36}</RequestId></ResponseMetadata></WhoResponse>$",
        ),
      );
    }
  }
  const { text } = await send({ service: "iam", body: "Action=List&Version=2&Each.member.1=a&Each.member.2=b" });
  expect(text).toContain("<ListResult><All><member>a</member><member>b</member></All><None></None></ListResult>");
});

test("refusals of the query protocol are XML", async () => {
  const refused = async (call: Call) => {
    const { status, text } = await send(call);
    return [status, /^<ErrorResponse><Error><Type>Sender<\/Type><Code>(\w+)<\/Code>/.exec(text)?.[1]];
  };
  const body = "Action=Who&Version=1";
  expect(await refused({ body })).toEqual([403, "MissingAuthenticationTokenException"]);
  expect(await refused({ body, service: "logs" })).toEqual([403, "InvalidSignatureException"]);
  expect(await refused({ body, service: "sts", region: "eu-west-1" })).toEqual([403, "InvalidSignatureException"]);
  expect(await refused({ body: "Action=toString&Version=1", service: "sts" })).toEqual([400, "InvalidAction"]);
  expect(await refused({ body: "Action=Who&Version=3", service: "sts" })).toEqual([400, "InvalidAction"]);
  expect(await refused({ body: "", service: "sts" })).toEqual([400, "InvalidAction"]);
  expect(await refused({ body: "x".repeat(600_000), service: "sts" })).toEqual([413, "RequestEntityTooLarge"]);
});
