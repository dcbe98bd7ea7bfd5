import { createServer, type IncomingMessage, request, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { RouteRequest } from "../http-server.ts";
import { finished } from "../lambda/lambda-routes-fixture.ts";
import { UrlReply } from "./url-reply.ts";
import { UrlStream } from "./url-stream.ts";

const INTEGRATION = "application/vnd.awslambda.http-integration-response";
const ended = (outcome: "ok" | "functionError", payload = "") => finished(outcome, Buffer.from(payload));

/** What a function does with each request's answer. */
let serve: (stream: UrlStream, reply: UrlReply) => void;
let server: Server;
beforeAll(async () => {
  server = createServer((req, res) => {
    const reply = new UrlReply({ req, res, requestId: "r" } as unknown as RouteRequest, undefined, false);
    serve(new UrlStream(reply, () => reply.sendBadGateway()), reply);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
});
afterAll(() => server.close());

type Answer = { readonly response: IncomingMessage; readonly body: Promise<Buffer> };
function ask(method = "GET"): Promise<Answer> {
  const { port } = server.address() as AddressInfo;
  return new Promise((resolve, reject) => {
    const outgoing = request({ host: "127.0.0.1", port, method, agent: false }, (response) => {
      const body = response.toArray().then((chunks) => Buffer.concat(chunks as Buffer[]));
      body.catch(() => {});
      resolve({ response, body });
    });
    outgoing.on("error", reject);
    outgoing.end();
  });
}

test("head and body come out the same, however they are cut into pieces, and every piece is taken", async () => {
  const head = JSON.stringify({ statusCode: 418, headers: { "X-One": "1" }, cookies: ["a=1"] });
  await fc.assert(
    fc.asyncProperty(
      fc.uint8Array({ maxLength: 60 }),
      fc.array(fc.nat(200), { maxLength: 6 }),
      async (body, places) => {
        const whole = Buffer.concat([Buffer.from(head), Buffer.alloc(8), body]);
        const cuts = [0, ...places.map((place) => place % (whole.length + 1)), whole.length].sort((a, b) => a - b);
        const pieces = cuts.slice(1).map((end, index) => whole.subarray(cuts[index], end));
        let takenCount = 0;
        const sent = pieces.filter((piece) => piece.length > 0);
        serve = (stream) => {
          stream.begin(INTEGRATION);
          for (const piece of sent) stream.chunk(Buffer.from(piece), () => takenCount++);
          stream.end(ended("ok"));
        };
        const { response, body: received } = await ask();
        expect(response.statusCode).toBe(418);
        expect(response.headers).toMatchObject({ "x-one": "1", "set-cookie": ["a=1"], "x-amzn-requestid": "r" });
        expect(await received).toEqual(Buffer.from(body));
        expect(takenCount).toBe(sent.length);
      },
    ),
    { numRuns: 50 },
  );
});

test("the first bytes are there before the function has written the next", async () => {
  const more = Promise.withResolvers<void>();
  serve = (stream) => {
    stream.begin("text/event-stream");
    stream.chunk(Buffer.from("first"), () => {});
    more.promise.then(() => stream.end(ended("ok")));
  };
  const { port } = server.address() as AddressInfo;
  const first = await new Promise<[number | undefined, string | undefined, string]>((resolve) => {
    request({ host: "127.0.0.1", port, agent: false }, (response) => {
      response.once("data", (chunk: Buffer) =>
        resolve([response.statusCode, response.headers["content-type"], chunk.toString()]),
      );
    }).end();
  });
  expect(first).toEqual([200, "text/event-stream", "first"]);
  more.resolve();
});

test.each([
  ["no JSON", "no JSON"],
  ["a status that is none", '{"statusCode":7}'],
  ["a header that is none", '{"headers":{"a b":"1"}}'],
  ["too long", JSON.stringify({ headers: { a: "x".repeat(70_000) } })],
])("a head that is %s is answered 502", async (_, head) => {
  let takenCount = 0;
  serve = (stream) => {
    stream.begin(INTEGRATION);
    for (const piece of [head, "\0\0\0\0\0\0\0\0", "body"]) stream.chunk(Buffer.from(piece), () => takenCount++);
    stream.end(ended("ok"));
  };
  const { response, body } = await ask();
  expect(response.statusCode).toBe(502);
  expect((await body).toString()).toBe("Internal Server Error");
  expect(takenCount).toBe(3);
});

test("a head that never ends is answered 502 at the end", async () => {
  serve = (stream) => {
    stream.begin(INTEGRATION);
    stream.chunk(Buffer.from("{}"), () => {});
    stream.end(ended("ok"));
  };
  expect((await ask()).response.statusCode).toBe(502);
});

test("a body that breaks off is not taken for whole", async () => {
  serve = (stream) => {
    stream.begin("text/plain");
    stream.chunk(Buffer.from("half"), () => stream.end(ended("functionError", "{}")));
  };
  const { response, body } = await ask();
  expect(response.statusCode).toBe(200);
  await expect(body).rejects.toThrow("aborted");
});

test("an execution that ended without writing is answered as one that does not stream", async () => {
  serve = (stream) => stream.end(ended("functionError", "{}"));
  expect((await ask()).response.statusCode).toBe(502);
});

test("HEAD takes the pieces and shows none", async () => {
  let isTaken = false;
  serve = (stream) => {
    stream.begin("text/plain");
    stream.chunk(Buffer.from("body"), () => {
      isTaken = true;
      stream.end(ended("ok"));
    });
  };
  const { response, body } = await ask("HEAD");
  expect([response.statusCode, (await body).length, isTaken]).toEqual([200, 0, true]);
});
