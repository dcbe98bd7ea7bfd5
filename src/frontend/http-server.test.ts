import { request } from "node:http";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { AccountId } from "../model/ids.ts";
import type { AccessKey } from "../ports/store.ts";
import { createHttpServer, type HttpServer, type RouteRequest } from "./http-server.ts";

const NOW_MS = Date.UTC(2026, 10, 21, 18, 0, 5);
const BODY_BYTES_HELD_MAX = 100;
const broken = new Error("broken");
const fail = () => {
  throw broken;
};

/** Its secret cannot be read, so that checking a signature breaks. */
const brokenKey: AccessKey = {
  accessKeyId: "AKIABROKEN",
  accountId: "111111111111" as AccountId,
  get secretAccessKey(): string {
    return fail();
  },
};

let server: HttpServer;
let url: string;
let errors: unknown[];
beforeEach(async () => {
  errors = [];
  server = createHttpServer({
    host: "127.0.0.1",
    port: 0,
    region: "us-east-1",
    accessKeys: { find: (id: string) => (id === brokenKey.accessKeyId ? brokenKey : undefined) } as never,
    clock: { nowMs: () => NOW_MS, monotonicMs: () => NOW_MS },
    bodyBytesHeldMax: BODY_BYTES_HELD_MAX,
    onError: (error) => errors.push(error),
  });
  server.addRoute("POST", "/sound", ({ res }) => void res.end("sound"));
  server.addRoute("POST", "/handler", fail);
  server.addRoute("POST", "/promise", async () => fail());
  server.addRoute("POST", "/limit", () => {}, { bodyLimit: fail });
  const { port } = await server.listen();
  url = `http://127.0.0.1:${port}`;
});
afterEach(() => server.close(0));

describe("a broken part costs its own request an error, never the server", () => {
  const post = (path: string, headers: Record<string, string> = {}) =>
    fetch(url + path, { method: "POST", body: "{}", headers });
  const scope = "20261121/us-east-1/lambda/aws4_request";
  const authorization = `AWS4-HMAC-SHA256 Credential=AKIABROKEN/${scope}, SignedHeaders=host;x-amz-date, Signature=00`;
  const signed = { authorization, "x-amz-date": "20261121T180005Z" };

  for (const [what, path, headers] of [
    ["a handler that throws", "/handler", {}],
    ["a handler that rejects", "/promise", {}],
    ["a limit that throws before the body is read", "/limit", {}],
    ["a signature that cannot be checked", "/sound", signed],
  ] as const) {
    test(what, async () => {
      const answer = await post(path, headers);
      expect([answer.status, answer.headers.get("x-amzn-errortype")]).toEqual([500, "ServiceException"]);
      await answer.text();
      expect(errors).toEqual([broken]);
      expect(await (await post("/sound")).text()).toBe("sound");
    });
  }
});

describe("bodies that are held count together", () => {
  const open = (path: string, body: string, ends: boolean) => {
    const caller = request(url + path, { method: "POST", headers: { "transfer-encoding": "chunked" } });
    caller.on("error", () => {});
    if (ends) caller.end(body);
    else caller.write(body);
    return caller;
  };
  const post = () => fetch(`${url}/sound`, { method: "POST", body: "x".repeat(20) }).then(({ status }) => status);

  test("until their handler has ended, though the caller is gone", async () => {
    const ends: (() => void)[] = [];
    const left: Promise<unknown>[] = [];
    server.addRoute("POST", "/slow", ({ res }: RouteRequest) => {
      left.push(new Promise((resolve) => res.on("close", resolve)));
      return new Promise<void>((end) => ends.push(end));
    });
    const callers = [1, 2].map(() => open("/slow", "x".repeat(45), true));
    await vi.waitFor(() => expect(ends).toHaveLength(2));
    for (const caller of callers) caller.destroy();
    await Promise.all(left);
    expect(await post()).toBe(429);
    for (const end of ends) end();
    await vi.waitFor(async () => expect(await post()).toBe(200));
  });

  test("by what arrived, not by what may come", async () => {
    const callers = Array.from({ length: 60 }, () => open("/sound", "x", false));
    await vi.waitFor(async () => expect(await post()).toBe(200));
    for (const caller of callers) caller.destroy();
  });
});
