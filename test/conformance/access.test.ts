import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { networkInterfaces, tmpdir } from "node:os";
import { join } from "node:path";
import {
  CreateFunctionCommand,
  InvokeCommand,
  LambdaClient,
  ListFunctionsCommand,
  waitUntilFunctionActiveV2,
} from "@aws-sdk/client-lambda";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { needsSandbox } from "../integration/sandbox-fixture/requirement.ts";
import { HearthProcess } from "../integration/server-fixture/hearth-process.ts";
import { archiveOf, type Files, LambdaCaller } from "../integration/server-fixture/lambda-caller.ts";
import { skipUnless } from "../skip.ts";
import { provider } from "./provider.ts";
import { signedHeaders } from "./signed-request.ts";

type Key = { readonly accountId: string; readonly accessKeyId: string; readonly secretAccessKey: string };

const ROLE = "arn:aws:iam::000000000000:role/any";
const LIST = "/2015-03-31/functions";

/** Makes an account and a key of it, as an operator on this machine does. */
async function makeAccount(url: string, name: string): Promise<Key> {
  const post = async (path: string, body: object) => {
    const response = await fetch(url + path, { method: "POST", body: JSON.stringify(body) });
    expect(response.status).toBe(201);
    return response.json() as Promise<unknown>;
  };
  const { accountId } = (await post("/_hearth/accounts", { name })) as Key;
  return (await post(`/_hearth/accounts/${accountId}/keys`, {})) as Key;
}

function clientOf(
  url: string,
  { accessKeyId, secretAccessKey }: Omit<Key, "accountId">,
  region = "us-east-1",
): LambdaClient {
  return new LambdaClient({ endpoint: url, region, credentials: { accessKeyId, secretAccessKey }, maxAttempts: 1 });
}

async function deploy(client: LambdaClient, FunctionName: string, files: Files): Promise<void> {
  await client.send(
    new CreateFunctionCommand({
      FunctionName,
      Runtime: "nodejs24.x",
      Handler: "index.handler",
      Role: ROLE,
      Code: { ZipFile: archiveOf(files) },
      Timeout: 30,
    }),
  );
  await waitUntilFunctionActiveV2({ client, maxWaitTime: 30, minDelay: 1 }, { FunctionName });
}

async function resultOf(client: LambdaClient, FunctionName: string, payload: unknown = {}) {
  const { Payload } = await client.send(new InvokeCommand({ FunctionName, Payload: JSON.stringify(payload) }));
  return JSON.parse(Buffer.from(Payload ?? []).toString());
}

describe("on loopback", () => {
  let hearth: HearthProcess;
  let key: Key;
  let client: LambdaClient;
  beforeAll(async () => {
    hearth = await HearthProcess.start({ provider });
    key = await makeAccount(hearth.url, "team a");
    client = clientOf(hearth.url, key);
  });
  afterAll(() => hearth[Symbol.asyncDispose]());

  test("a known key acts for its account, everyone else for the default account", async () => {
    await deploy(client, "mine", { "index.js": "exports.handler = async (e, c) => c.invokedFunctionArn;" });
    expect(await resultOf(client, "mine")).toBe(`arn:aws:lambda:us-east-1:${key.accountId}:function:mine`);
    const stranger = clientOf(hearth.url, { accessKeyId: "unknown", secretAccessKey: "x" });
    expect((await stranger.send(new ListFunctionsCommand({}))).Functions).toEqual([]);
    await expect(resultOf(stranger, "mine")).rejects.toMatchObject({
      name: "ResourceNotFoundException",
      message: "Function not found: arn:aws:lambda:us-east-1:000000000000:function:mine",
    });
    const foreign = `arn:aws:lambda:us-east-1:${key.accountId}:function:mine`;
    await expect(resultOf(stranger, foreign)).rejects.toMatchObject({ name: "AccessDeniedException" });
    expect((await fetch(hearth.url + LIST)).status).toBe(200);
  });

  test("a known key's signature must be right", async () => {
    const forger = clientOf(hearth.url, { ...key, secretAccessKey: "guessed" });
    await expect(forger.send(new ListFunctionsCommand({}))).rejects.toMatchObject({
      name: "InvalidSignatureException",
      message: expect.stringMatching(
        /^The request signature we calculated does not match the signature you provided\./,
      ),
      $metadata: { httpStatusCode: 403 },
    });
    const elsewhere = clientOf(hearth.url, key, "eu-central-1");
    await expect(elsewhere.send(new ListFunctionsCommand({}))).rejects.toMatchObject({
      name: "InvalidSignatureException",
    });
  });

  test("only the default account reaches the admin API", async () => {
    for (const path of ["/_hearth/pools", "/_hearth/status", "/_hearth/accounts", "/metrics"]) {
      const { host, ...headers } = await signedHeaders(hearth.url + path, key);
      const response = await fetch(hearth.url + path, { headers });
      expect([path, response.status, response.headers.get("x-amzn-errortype")]).toEqual([
        path,
        403,
        "AccessDeniedException",
      ]);
      expect(await response.text()).toContain("Only the operator's account");
    }
    expect((await fetch(`${hearth.url}/_hearth/pools`)).status).toBe(200);
  });

  test("an account reads its own logs, and nobody else's", async () => {
    const statusOf = async (path: string) => {
      const { host, ...headers } = await signedHeaders(hearth.url + path, key);
      return (await fetch(hearth.url + path, { headers })).status;
    };
    expect(await statusOf("/_hearth/logs/mine")).toBe(200);
    expect(await statusOf("/_hearth/logs/mine?account=000000000000")).toBe(403);
  });

  test("a page of a website in a browser on this machine is refused", async () => {
    const headers = { origin: "https://evil.example", "content-type": "text/plain" };
    const lambda = new LambdaCaller(() => hearth.url);
    expect((await lambda.request("POST", LIST, "{}", headers)).status).toBe(403);
    expect((await lambda.request("GET", LIST, "", { host: "evil.example" })).status).toBe(403);
    lambda.close();
  });

  test("containers of one account are out of the other's reach", needsSandbox, async () => {
    const other = clientOf(hearth.url, await makeAccount(hearth.url, "team b"));
    await deploy(client, "listener", {
      "index.js": `const net = require("node:net"), os = require("node:os"), fs = require("node:fs");
        exports.handler = async () => {
          const server = net.createServer((socket) => socket.end("secret")).listen(8123, "0.0.0.0");
          await new Promise((resolve) => server.on("listening", resolve));
          fs.writeFileSync("/tmp/secret", "secret");
          await new Promise((resolve) => setTimeout(resolve, 6000));
          server.close();
          return Object.values(os.networkInterfaces()).flat().filter((a) => a.family === "IPv4" && !a.internal).map((a) => a.address);
        };`,
    });
    await deploy(other, "intruder", {
      "index.js": `const net = require("node:net"), os = require("node:os"), fs = require("node:fs");
        const dial = (host) => new Promise((resolve) => {
          const socket = net.connect({ host, port: 8123, timeout: 1500 }, () => resolve(host)).on("error", () => resolve()).on("timeout", () => { socket.destroy(); resolve(); });
          socket.on("connect", () => socket.destroy());
        });
        exports.handler = async () => {
          const own = Object.values(os.networkInterfaces()).flat().filter((a) => a.family === "IPv4" && !a.internal)[0].address.split(".");
          const hosts = Array.from({ length: 64 }, (_, i) => [own[0], own[1], 0, i].join("."));
          const open = (await Promise.all([...hosts, "127.0.0.1"].map(dial))).filter((host) => host !== undefined);
          return { own: own.join("."), tried: hosts, open, secret: fs.existsSync("/tmp/secret") };
        };`,
    });
    const listening = resultOf(client, "listener");
    const found = await resultOf(other, "intruder");
    const [address] = await listening;
    expect(found.tried).toContain(address);
    expect(found.own).not.toBe(address);
    expect([found.open, found.secret]).toEqual([[], false]);
  });
});

/** One that is not loopback, if this machine has any. */
const address = Object.values(networkInterfaces())
  .flat()
  .find((candidate) => candidate?.family === "IPv4" && !candidate.internal)?.address;

describe("on an address that others reach", skipUnless(address !== undefined, "needs a network interface"), () => {
  test("signatures are required, by 0.0.0.0 as by the address itself", async () => {
    for (const host of ["0.0.0.0", address ?? ""]) {
      await using hearth = await HearthProcess.start({ provider: "process", host });
      const url = hearth.url.replace("0.0.0.0", "127.0.0.1");
      const lambda = new LambdaCaller(() => url);
      const refusalOf = async (headers: Record<string, string>) => {
        const { status, headers: answered } = await lambda.request("GET", LIST, "", headers);
        return [status, answered["x-amzn-errortype"]];
      };
      expect(await refusalOf({})).toEqual([403, "MissingAuthenticationTokenException"]);
      expect(await refusalOf({ authorization: "AWS4-HMAC-SHA256 nonsense" })).toEqual([
        403,
        "IncompleteSignatureException",
      ]);
      for (const path of ["/_hearth/pools", "/_hearth/accounts", "/metrics"]) {
        expect((await lambda.request("GET", path)).status, path).toBe(403);
      }
      expect((await lambda.request("GET", "/healthz")).status).toBe(200);
      const stranger = clientOf(url, { accessKeyId: "unknown", secretAccessKey: "x" });
      await expect(stranger.send(new ListFunctionsCommand({}))).rejects.toMatchObject({
        name: "UnrecognizedClientException",
      });

      const root = clientOf(url, await rootKeyOf(hearth));
      await deploy(root, "signed", { "index.js": 'exports.handler = async () => "signed";' });
      expect(await resultOf(root, "signed")).toBe("signed");
      lambda.close();
    }
  });
});

describe("the metrics' bearer token", () => {
  const TOKEN = "f".repeat(32);
  let dir: string;
  let hearth: HearthProcess;
  let url: string;
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), "hearth-token-"));
    const file = join(dir, "metrics-token");
    await writeFile(file, `${TOKEN}\n`);
    const args = ["--metrics-token-file", file, "--log-level", "trace"];
    hearth = await HearthProcess.start({ provider: "process", host: "0.0.0.0", args });
    url = hearth.url.replace("0.0.0.0", "127.0.0.1");
  });
  afterAll(async () => {
    await hearth[Symbol.asyncDispose]();
    await rm(dir, { recursive: true });
  });
  const get = (path: string, headers: Record<string, string>) => fetch(url + path, { headers });
  const typeOf = async (answer: Promise<Response>) => {
    const { status, headers } = await answer;
    return [status, headers.get("x-amzn-errortype")];
  };

  test("lets who cannot sign read the metrics, and is never told", async () => {
    const answer = await get("/metrics", { authorization: `Bearer ${TOKEN}` });
    expect([answer.status, answer.headers.get("content-type")]).toEqual([200, expect.stringMatching(/^text\/plain/)]);
    expect(await answer.text()).toMatch(/^# HELP hearth_/m);
    const wrong = get("/metrics", { authorization: `Bearer ${TOKEN}f` });
    expect(await typeOf(wrong)).toEqual([403, "UnrecognizedClientException"]);
    expect(await (await wrong).text()).not.toContain(TOKEN);
    expect(hearth.log).not.toContain(TOKEN);
  });

  test("opens nothing else; signatures do what they did", async () => {
    for (const path of ["/_hearth/status", "/_hearth/accounts", LIST]) {
      const refused = get(path, { authorization: `Bearer ${TOKEN}` });
      expect([path, ...(await typeOf(refused))]).toEqual([path, 403, "IncompleteSignatureException"]);
    }
    expect(await typeOf(get("/metrics", {}))).toEqual([403, "MissingAuthenticationTokenException"]);
    const { host, ...signed } = await signedHeaders(`${url}/metrics`, await rootKeyOf(hearth));
    expect((await get("/metrics", signed)).status).toBe(200);
  });
});

/** The operator's own key, which the server leaves in its data directory. */
async function rootKeyOf({ dataDir }: HearthProcess): Promise<Omit<Key, "accountId">> {
  return JSON.parse(await readFile(join(dataDir, "root-key.json"), "utf8"));
}
