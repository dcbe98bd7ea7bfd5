import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { isPublicAddress, postWebhook } from "./webhook.ts";

let server: Server;
let url: string;
let status = 200;
const seen: { headers: IncomingMessage["headers"]; body: string }[] = [];

beforeAll(async () => {
  server = createServer((request, response) => {
    void request.toArray().then((chunks) => {
      seen.push({ headers: request.headers, body: Buffer.concat(chunks).toString() });
      response.writeHead(status, status === 302 ? { Location: "/elsewhere" } : {}).end("bye");
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`;
});
afterAll(() => new Promise((resolve) => server.close(resolve)));

const post = (to: string, isPublicOnly = false) =>
  postWebhook({ url: to, headers: { "X-A": "b" }, body: "{}", isPublicOnly }, new AbortController().signal);

test("a 2xx is a delivery", async () => {
  await post(url);
  expect(seen.at(-1)).toMatchObject({ body: "{}", headers: { "x-a": "b", "content-type": "application/json" } });
});

test.for([302, 400, 404, 500, 503])("a %d is none", async (code) => {
  status = code;
  await expect(post(url)).rejects.toThrow(`the webhook answered ${code}`);
});

test("nobody listens", async () => {
  await expect(post("http://127.0.0.1:1/")).rejects.toThrow("ECONNREFUSED");
});

describe("for functions that are not the operator's", () => {
  test("addresses of this machine are refused, by number and by name", async () => {
    const count = seen.length;
    const { port } = new URL(url);
    for (const host of ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "2130706433", "0x7f.1"]) {
      await expect(post(`http://${host}:${port}/`, true), host).rejects.toThrow("is no public address");
    }
    expect(seen.length).toBe(count);
  });

  test("a connection that was made for the operator's is not used", async () => {
    status = 200;
    const named = url.replace("127.0.0.1", "localhost");
    await post(named);
    await new Promise((resolve) => setTimeout(resolve, 10)); // It is free then.
    await expect(post(named, true)).rejects.toThrow("is no public address");
  });

  test.for([
    ["8.8.8.8", true],
    ["2606:4700::1111", true],
    ["10.1.2.3", false],
    ["100.64.0.1", false],
    ["169.254.169.254", false],
    ["172.31.0.1", false],
    ["192.168.1.1", false],
    ["0.0.0.0", false],
    ["255.255.255.255", false],
    ["::", false],
    ["fd00:ec2::254", false],
    ["fe80::1", false],
    ["64:ff9b::a9fe:a9fe", false],
    ["::ffff:10.0.0.1", false],
    ["no address", false],
  ] as const)("%s public: %s", ([address, isPublic]) => {
    expect(isPublicAddress(address)).toBe(isPublic);
  });
});
