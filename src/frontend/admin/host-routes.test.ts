import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type AccountId, DEFAULT_ACCOUNT_ID } from "../../model/ids.ts";
import type { HostAdmin, HostTerms } from "../../ports/remote-host.ts";
import type { AdminRequest } from "./admin-request.ts";
import { addHostRoutes } from "./host-routes.ts";

type Handler = (request: AdminRequest) => void | Promise<void>;

const asked: { terms: HostTerms; expiresInMs: number }[] = [];
const invitation = { token: "t", addresses: ["10.0.0.1:9610"], expiresMs: 1 };

/** Remembers the terms that were asked for. */
const admin: HostAdmin = {
  list: () => [],
  createToken: async (terms, expiresInMs) => {
    asked.push({ terms, expiresInMs });
    return invitation;
  },
  remove: async (hostId) => hostId === "h-1",
};

let server: Server;
let url: string;
let accountId: AccountId;
let hosts: HostAdmin | undefined;

beforeEach(async () => {
  accountId = DEFAULT_ACCOUNT_ID;
  hosts = admin;
  asked.length = 0;
  server = createServer(async (req, res) => {
    const body = Buffer.concat(await req.toArray());
    const at = `http://server${req.url}`;
    const routes: { method: string; pattern: URLPattern; handler: Handler }[] = [];
    const addRoute = (method: string, path: string, handler: Handler) =>
      void routes.push({ method, pattern: new URLPattern({ pathname: path }), handler });
    addHostRoutes({ addRoute, hosts });
    const route = routes.find(({ method, pattern }) => method === req.method && pattern.test(at));
    const params = route?.pattern.exec(at)?.pathname.groups ?? {};
    await route?.handler({ req, res, params, body, principal: { accountId } });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/_hearth/hosts`;
});
afterEach(() => server.close());

const post = (body: string) => fetch(`${url}/tokens`, { method: "POST", body });

test("nobody but the operator sees hosts, makes tokens or removes hosts", async () => {
  accountId = "000000000009" as AccountId;
  const answers = [await fetch(url), await post("{}"), await fetch(`${url}/h-1`, { method: "DELETE" })];
  expect(answers.map(({ status }) => status)).toEqual([403, 403, 403]);
  expect(asked).toEqual([]);
});

test("a token has the terms that were asked for, else the usual ones", async () => {
  expect(await (await post("")).json()).toEqual(invitation);
  await post(
    '{"name":"tower","zone":"attic","subPool":"variable","priceUsdPerHour":0.5,"notice":"2m","expires":"10m"}',
  );
  const usual = { provider: "static", name: undefined, zone: undefined, subPool: "fixed", priceUsdPerHour: 0 };
  expect(asked).toEqual([
    { terms: { ...usual, noticeMs: undefined }, expiresInMs: 3_600_000 },
    {
      terms: { ...usual, name: "tower", zone: "attic", subPool: "variable", priceUsdPerHour: 0.5, noticeMs: 120_000 },
      expiresInMs: 600_000,
    },
  ]);
});

test("what is no request is refused, and makes no token", async () => {
  for (const body of ["{", "[]", "null", '"x"', '{"priceUsdPerHour":null}', '{"name":"-"}', '{"notice":"2m"}']) {
    expect((await post(body)).status, body).toBe(400);
  }
  expect(asked).toEqual([]);
});

test("a server without other machines says how it gets some", async () => {
  hosts = undefined;
  expect(await (await fetch(url)).json()).toEqual({ hosts: [] });
  const refused = await post("{}");
  expect(refused.status).toBe(409);
  expect(await refused.text()).toContain("--provider sandbox,static");
});

test("a host is removed by its id", async () => {
  expect((await fetch(`${url}/h-1`, { method: "DELETE" })).status).toBe(200);
  expect((await fetch(`${url}/h-2`, { method: "DELETE" })).status).toBe(404);
});
