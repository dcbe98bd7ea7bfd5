import { request } from "node:http";
import { Hash } from "@smithy/core/serde";
import { SignatureV4 } from "@smithy/signature-v4";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type AccountId, DEFAULT_ACCOUNT_ID } from "../../model/ids.ts";
import type { AccessKeys } from "../../ports/access-keys.ts";
import { createHttpServer, type HttpServer } from "../http-server.ts";

const known = {
  accessKeyId: "AKIAEXAMPLE",
  secretAccessKey: "wJalrXUtnFEMI/K7MDENG",
  accountId: "111111111111" as AccountId,
};
const accessKeys = { find: (id: string) => (id === known.accessKeyId ? known : undefined) } as AccessKeys;
const NOW_MS = Date.UTC(2026, 10, 21, 18, 0, 5);
const clock = { nowMs: () => NOW_MS, monotonicMs: () => NOW_MS };

/** The independent signer: AWS's own, of the SDK. */
const signer = (options: { region?: string; service?: string; secret?: string; accessKeyId?: string } = {}) =>
  new SignatureV4({
    credentials: {
      accessKeyId: options.accessKeyId ?? known.accessKeyId,
      secretAccessKey: options.secret ?? known.secretAccessKey,
    },
    region: options.region ?? "us-east-1",
    service: options.service ?? "lambda",
    sha256: Hash.bind(null, "sha256"),
  });

type Answer = { readonly status: number; readonly type: string | undefined; readonly body: string };
type Call = {
  readonly method: string;
  readonly path: string;
  readonly query: Record<string, string | string[]>;
  readonly headers: Record<string, string>;
  readonly body: Buffer;
};

const servers: HttpServer[] = [];
/** A server that answers with the account that the request acts for. */
async function serve(host: string): Promise<number> {
  const server = createHttpServer({ host, port: 0, region: "us-east-1", accessKeys, clock, onError: () => {} });
  const answer = { bytesMax: 1000, error: () => new Error("too large") as never };
  for (const path of ["/", "/*"]) {
    for (const method of ["GET", "POST", "PUT", "DELETE"]) {
      server.addRoute(method, path, ({ res, principal }) => void res.end(principal.accountId), {
        bodyLimit: () => answer,
      });
    }
  }
  servers.push(server);
  return (await server.listen()).port;
}

let localPort: number;
let publicPort: number;
beforeAll(async () => {
  localPort = await serve("127.0.0.1");
  publicPort = await serve("0.0.0.0");
});
afterAll(() => Promise.all(servers.map((server) => server.close(0))));

const strictEncode = (text: string) =>
  encodeURIComponent(text).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);

function send(port: number, call: Call): Promise<Answer> {
  const pairs = Object.entries(call.query).flatMap(([name, values]) =>
    [values].flat().map((value) => `${strictEncode(name)}=${strictEncode(value)}`),
  );
  const path = pairs.length === 0 ? call.path : `${call.path}?${pairs.join("&")}`;
  return new Promise((resolve, reject) => {
    const { host, ...headers } = call.headers;
    const outgoing = request(
      {
        host: "127.0.0.1",
        port,
        method: call.method,
        path,
        headers: { ...headers, "content-length": call.body.length, ...(host === undefined ? {} : { host }) },
      },
      (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("end", () => {
          const type = response.headers["x-amzn-errortype"] as string | undefined;
          resolve({ status: response.statusCode ?? 0, type, body: Buffer.concat(chunks).toString() });
        });
      },
    );
    outgoing.on("error", reject);
    outgoing.end(call.body);
  });
}

const plainCall: Call = {
  method: "POST",
  path: "/2015-03-31/functions/f/invocations",
  query: {},
  headers: {},
  body: Buffer.from("{}"),
};

async function signed(call: Call, by = signer(), atMs = NOW_MS): Promise<Call> {
  const host = call.headers["host"] ?? "127.0.0.1:9600";
  const request = { ...call, protocol: "http:", hostname: "127.0.0.1", headers: { ...call.headers, host } };
  const { headers } = await by.sign(request, { signingDate: new Date(atMs) });
  return { ...call, headers };
}

async function presigned(call: Call, expiresIn: number, atMs = NOW_MS): Promise<Call> {
  const request = {
    ...call,
    protocol: "http:",
    hostname: "127.0.0.1",
    headers: { ...call.headers, host: "127.0.0.1:9600" },
  };
  const { query, headers } = await signer().presign(request, { expiresIn, signingDate: new Date(atMs) });
  return { ...call, headers, query: query as Call["query"] };
}

const arbitraryCall: fc.Arbitrary<Call> = fc.record({
  method: fc.constantFrom("GET", "POST", "PUT", "DELETE"),
  path: fc
    .array(
      fc.string({ minLength: 1, unit: "grapheme" }).filter((segment) => !/^\.+$/.test(segment)),
      { maxLength: 4 },
    )
    .map((segments) => `/${segments.map(encodeURIComponent).join("/")}`),
  query: fc.dictionary(
    // The SDK's signer keeps the query in a plain object, which loses a parameter named __proto__.
    fc.string({ minLength: 1, unit: "grapheme" }).filter((name) => !/^x-amz-|^__proto__$/i.test(name)),
    fc.oneof(fc.string(), fc.array(fc.string(), { minLength: 1, maxLength: 3 })),
    { maxKeys: 4, noNullPrototype: true },
  ),
  headers: fc.dictionary(
    fc.constantFrom("x-amz-log-type", "x-amz-client-context", "accept", "x-one"),
    fc.string({ unit: fc.constantFrom("a", "B", "=", "  ", "/") }).map((value) => `v${value}v`),
    { noNullPrototype: true },
  ),
  body: fc.uint8Array({ maxLength: 50 }).map((bytes) => Buffer.from(bytes)),
});

test("what the SDK's signer signs is accepted, whatever the path, query, headers and body", async () => {
  await fc.assert(
    fc.asyncProperty(arbitraryCall, async (call) => {
      expect(await send(publicPort, await signed(call))).toMatchObject({ status: 200, body: known.accountId });
    }),
    { numRuns: 200 },
  );
});

test.each(["/a//b", "//a", "/a/./b", "/a/../b", "/../a", "/a%20b//c/", "/a/b/", "/a/..", "//"])(
  "the path %s counts as signers normalise it",
  async (path) => {
    expect(await send(publicPort, await signed({ ...plainCall, path }))).toMatchObject({ status: 200 });
  },
);

test("presigned URLs are accepted", async () => {
  await fc.assert(
    fc.asyncProperty(arbitraryCall, async (call) => {
      expect(await send(publicPort, await presigned({ ...call, headers: {} }, 60))).toMatchObject({ status: 200 });
    }),
    { numRuns: 100 },
  );
});

test("any change to a signed request is refused", async () => {
  const call = await signed({ ...plainCall, query: { Qualifier: "$LATEST" }, headers: { "x-amz-log-type": "None" } });
  const changes: Partial<Call>[] = [
    { method: "PUT" },
    { path: "/2015-03-31/functions/g/invocations" },
    { query: {} },
    { query: { Qualifier: "1" } },
    { body: Buffer.from("[]") },
    { headers: { ...call.headers, "x-amz-log-type": "Tail" } },
    { headers: { ...call.headers, "x-amz-invocation-type": "Event" } },
    { headers: { ...call.headers, host: "other:1" } },
  ];
  expect(await send(publicPort, call)).toMatchObject({ status: 200 });
  for (const change of changes) {
    expect(await send(publicPort, { ...call, ...change }), JSON.stringify(change)).toMatchObject({
      status: 403,
      type: "InvalidSignatureException",
    });
  }
});

describe("refusals", () => {
  const refused = async (port: number, call: Call, type: string) =>
    expect(await send(port, call)).toMatchObject({ status: 403, type });

  test("no signature is needed on loopback, and always elsewhere", async () => {
    expect(await send(localPort, plainCall)).toMatchObject({ status: 200, body: DEFAULT_ACCOUNT_ID });
    await refused(publicPort, plainCall, "MissingAuthenticationTokenException");
  });

  test("an unknown key acts for the default account on loopback, for nobody elsewhere", async () => {
    const call = await signed(plainCall, signer({ accessKeyId: "AKIAUNKNOWN" }));
    expect(await send(localPort, call)).toMatchObject({ status: 200, body: DEFAULT_ACCOUNT_ID });
    await refused(publicPort, call, "UnrecognizedClientException");
  });

  test("a known key needs its secret on loopback too", async () => {
    const call = await signed(plainCall, signer({ secret: "wrong" }));
    await refused(localPort, call, "InvalidSignatureException");
    expect(await send(localPort, await signed(plainCall))).toMatchObject({ status: 200, body: known.accountId });
  });

  test("a known key with half a signature is not taken for a stranger", async () => {
    const { headers, ...call } = await signed(plainCall);
    const { "x-amz-date": _, ...rest } = headers;
    await refused(localPort, { ...call, headers: rest }, "IncompleteSignatureException");
  });

  test("a header that is signed but not sent, whatever an object has of that name", async () => {
    const { headers } = await signed(plainCall);
    const authorization = headers["authorization"] as string;
    for (const name of ["__proto__", "constructor", "valueof", "valueOf", "x-absent"]) {
      const changed = authorization.replace(/SignedHeaders=[^,]*/, `$&;${name}`);
      await refused(
        localPort,
        { ...plainCall, headers: { ...headers, authorization: changed } },
        "InvalidSignatureException",
      );
    }
    expect(await send(localPort, await signed(plainCall))).toMatchObject({ status: 200 });
  });

  test("another region or service", async () => {
    await refused(publicPort, await signed(plainCall, signer({ region: "eu-west-1" })), "InvalidSignatureException");
    await refused(publicPort, await signed(plainCall, signer({ service: "s3" })), "InvalidSignatureException");
  });

  test("clocks may differ by five minutes", async () => {
    for (const skewMs of [-299_000, 299_000]) {
      expect(await send(publicPort, await signed(plainCall, signer(), NOW_MS + skewMs))).toMatchObject({ status: 200 });
    }
    for (const skewMs of [-301_000, 301_000]) {
      await refused(publicPort, await signed(plainCall, signer(), NOW_MS + skewMs), "InvalidSignatureException");
    }
  });

  test("a presigned URL ends when it says, and a week is the longest", async () => {
    expect(await send(publicPort, await presigned(plainCall, 600, NOW_MS - 599_000))).toMatchObject({ status: 200 });
    await refused(publicPort, await presigned(plainCall, 600, NOW_MS - 601_000), "InvalidSignatureException");
    const call = await presigned(plainCall, 600);
    await refused(
      publicPort,
      { ...call, query: { ...call.query, "X-Amz-Expires": "604801" } },
      "IncompleteSignatureException",
    );
  });

  test("malformed signatures never pass and never break the server", async () => {
    const good = (await signed(plainCall)).headers;
    const text = fc.oneof(
      fc.string(),
      fc.constantFrom("AWS4-HMAC-SHA256 ", "Credential=", "/aws4_request", ",", ";", "="),
    );
    const authorization = fc.oneof(
      fc.array(text).map((parts) => parts.join("")),
      fc.tuple(fc.nat(200), fc.string({ maxLength: 3 })).map(([at, inserted]) => {
        const whole = good["authorization"] as string;
        return whole.slice(0, at) + inserted + whole.slice(at + 1);
      }),
    );
    await fc.assert(
      fc.asyncProperty(authorization, async (value) => {
        fc.pre(/^[\x20-\x7e]*$/.test(value) && value.trim() !== good["authorization"]);
        const { status } = await send(publicPort, { ...plainCall, headers: { ...good, authorization: value } });
        // A changed separator may still say the same.
        expect(
          value.replace(/[\s,]/g, "") === (good["authorization"] as string).replace(/[\s,]/g, "") ? 403 : status,
        ).toBe(403);
      }),
      { numRuns: 300 },
    );
  });
});

describe("the guard against browsers", () => {
  const from = (headers: Record<string, string>) => send(localPort, { ...plainCall, headers });

  test("pages of other sites are refused", async () => {
    const host = `127.0.0.1:${localPort}`;
    expect(await from({ host, origin: `http://${host}` })).toMatchObject({ status: 200 });
    for (const origin of [
      "https://evil.example",
      "null",
      "http://localhost:3000",
      `http://127.0.0.1:${localPort + 1}`,
    ]) {
      expect(await from({ host, origin }), origin).toMatchObject({ status: 403, type: "AccessDeniedException" });
    }
  });

  test("names that are not this machine's are refused", async () => {
    for (const host of ["localhost:9600", "127.0.0.1", "[::1]:9600", "api.localhost:80", "127.9.9.9:1"]) {
      expect(await from({ host }), host).toMatchObject({ status: 200 });
    }
    for (const host of [
      "evil.example",
      "localhost.evil.example:9600",
      "127.0.0.1.evil.example",
      "10.0.0.1:9600",
      "0.0.0.0:9600",
    ]) {
      expect(await from({ host }), host).toMatchObject({ status: 403, type: "AccessDeniedException" });
    }
  });
});
