import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type AccountId, DEFAULT_ACCOUNT_ID } from "../../model/ids.ts";
import type { AdminView } from "../../ports/admin.ts";
import type { LogStore } from "../../ports/log-store.ts";
import type { AdminRequest } from "./admin-request.ts";
import { addAdminRoutes } from "./admin-routes.ts";

const stranger = "000000000009" as AccountId;
const status = { version: "1.0.0", provider: "process", isolation: "none" };

const view = {
  status: () => status,
  pools: () => ({ nowMs: 1, instances: [], waiting: { count: 0 }, counters: {} }),
  listAccounts: async () => [{ accountId: stranger, name: "stranger", createdMs: 1, accessKeyIds: [] }],
  createAccount: async (name: string) => ({ accountId: stranger, name, createdMs: 1, accessKeyIds: [] }),
  createAccessKey: async (accountId: AccountId) =>
    accountId === stranger ? { accountId, accessKeyId: "AKIA1", secretAccessKey: "s" } : undefined,
} as unknown as AdminView;

/** A log store whose tail takes a turn, as a disk does. */
class TalkingLogs implements Pick<LogStore, "tail" | "follow"> {
  text = "one\ntwo\n";
  readonly followers = new Set<(text: Buffer) => void>();
  append(text: string): void {
    for (const onText of this.followers) onText(Buffer.from(text));
  }
  tail = async (_accountId: AccountId, name: string) => {
    const text = name === "f" ? this.text : "";
    await new Promise(setImmediate);
    return Buffer.from(text);
  };
  follow(_accountId: AccountId, _name: string, onText: (text: Buffer) => void): () => void {
    this.followers.add(onText);
    return () => this.followers.delete(onText);
  }
}

let server: Server;
let url: string;
let logs: TalkingLogs;
let accountId: AccountId;
let closeRoutes: () => void;

beforeEach(async () => {
  accountId = DEFAULT_ACCOUNT_ID;
  logs = new TalkingLogs();
  const routes: { method: string; pattern: URLPattern; handler: (request: AdminRequest) => void | Promise<void> }[] =
    [];
  closeRoutes = addAdminRoutes({
    addRoute: (method, path, handler) => {
      routes.push({ method, pattern: new URLPattern({ pathname: path }), handler });
    },
    view,
    logs,
    metrics: { contentType: "text/plain", scrape: async () => "hearth_up 1\n" },
  });
  server = createServer(async (req, res) => {
    const body = Buffer.concat(await req.toArray());
    const at = `http://server${req.url}`;
    const route = routes.find(({ method, pattern }) => method === req.method && pattern.test(at));
    if (route === undefined) return void res.writeHead(404).end();
    const params = route.pattern.exec(at)?.pathname.groups ?? {};
    await route.handler({ req, res, params, body, principal: { accountId } });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterEach(() => {
  server.closeAllConnections();
  server.close();
});

describe("admin API", () => {
  test("shows status, pools, metrics and health to the operator", async () => {
    expect(await (await fetch(`${url}/_hearth/status`)).json()).toEqual(status);
    expect(await (await fetch(`${url}/_hearth/pools`)).json()).toMatchObject({ instances: [] });
    expect(await (await fetch(`${url}/metrics`)).text()).toBe("hearth_up 1\n");
    expect(await (await fetch(`${url}/healthz`)).text()).toBe("ok\n");
  });

  test("refuses every other account, except for health", async () => {
    accountId = stranger;
    for (const path of [
      "/_hearth/status",
      "/_hearth/pools",
      "/metrics",
      "/_hearth/logs/f?account=000000000000",
      "/_hearth/accounts",
    ]) {
      const response = await fetch(url + path);
      expect(response.status).toBe(403);
      expect(response.headers.get("x-amzn-errortype")).toBe("AccessDeniedException");
    }
    expect((await fetch(`${url}/healthz`)).status).toBe(200);
  });

  test("makes accounts and keys, and refuses what is none", async () => {
    const post = (path: string, body = "") => fetch(url + path, { method: "POST", body });
    expect((await post("/_hearth/accounts", '{"name":"team a"}')).status).toBe(201);
    for (const body of ["", "{}", '{"name":""}', '{"name":7}', '{"name":"<script>"}', "null"]) {
      expect((await post("/_hearth/accounts", body)).status).toBe(400);
    }
    expect(await (await post(`/_hearth/accounts/${stranger}/keys`)).json()).toMatchObject({ accessKeyId: "AKIA1" });
    expect((await post("/_hearth/accounts/000000000404/keys")).status).toBe(404);
  });

  test("a failure of the world is an answer", async () => {
    logs.tail = async () => {
      throw new Error("disk gone");
    };
    const response = await fetch(`${url}/_hearth/logs/f`);
    expect(response.status).toBe(500);
    expect(await response.json()).toMatchObject({ message: "disk gone" });
  });

  test("shows a log, and refuses bounds that are none", async () => {
    expect(await (await fetch(`${url}/_hearth/logs/f`)).text()).toBe("one\ntwo\n");
    for (const query of ["bytes=-1", "bytes=x", "bytes=99999999", "account=..%2F.."]) {
      expect((await fetch(`${url}/_hearth/logs/f?${query}`)).status).toBe(400);
    }
  });

  test("follows a log: nothing missed, nothing doubled, nothing left when the caller hangs up", async () => {
    const hangUp = new AbortController();
    const response = await fetch(`${url}/_hearth/logs/f?follow=1`, { signal: hangUp.signal });
    const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    while (!text.endsWith("two\n")) text += (await reader?.read())?.value ?? "";
    logs.append("three\n");
    while (!text.endsWith("three\n")) text += (await reader?.read())?.value ?? "";
    expect(text).toBe("one\ntwo\nthree\n");
    hangUp.abort();
    await expect.poll(() => logs.followers.size).toBe(0);
  });

  test("following ends when the server closes", async () => {
    const response = await fetch(`${url}/_hearth/logs/f?follow=1`);
    closeRoutes();
    expect(await response.text()).toBe("one\ntwo\n");
  });

  test("a follower who does not read is cut off", async () => {
    const response = await fetch(`${url}/_hearth/logs/f?follow=1`);
    const block = "x".repeat(256 * 1024);
    for (let i = 0; i < 100 && logs.followers.size > 0; i++) {
      logs.append(block);
      await new Promise(setImmediate);
    }
    expect(logs.followers.size).toBe(0);
    await expect(response.text()).rejects.toThrow();
  });
});
