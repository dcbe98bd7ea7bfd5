import { randomInt } from "node:crypto";
import { Agent, request } from "node:http";
import { connect } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { needsSandbox } from "./sandbox-fixture/requirement.ts";
import { eventually } from "./server-fixture/eventually.ts";
import { HearthProcess } from "./server-fixture/hearth-process.ts";
import { LambdaCaller } from "./server-fixture/lambda-caller.ts";

const CALLERS = 2000;
const GARBAGE_REQUESTS = 1000;

/** More than it can serve, from callers good and bad: the server stays up, and refuses in Lambda's words. */
describe("a server under pressure", needsSandbox, () => {
  let hearth: HearthProcess;
  let lambda: LambdaCaller;
  const isHealthy = async () => (await fetch(`${hearth.url}/healthz`, { signal: AbortSignal.timeout(10_000) })).ok;

  beforeAll(async () => {
    hearth = await HearthProcess.start({ provider: "sandbox" });
    lambda = new LambdaCaller(() => hearth.url);
    const files = {
      "index.js":
        "exports.handler = async ({ ms = 0 }) => { await new Promise((r) => setTimeout(r, ms)); return ms; };",
    };
    await lambda.deploy("slow", { files, timeoutS: 60 });
  });
  afterAll(async () => {
    lambda.close();
    await hearth[Symbol.asyncDispose]();
  });

  test("2,000 callers of a slow function get a result or a throttle", { timeout: 150_000 }, async () => {
    let isOver = false;
    const health = (async () => {
      let asked = 0;
      for (; !isOver; asked++) {
        expect(await isHealthy()).toBe(true);
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
      return asked;
    })();
    const answers = await Promise.all(Array.from({ length: CALLERS }, () => lambda.invoke("slow", { ms: 300 })));
    isOver = true;
    expect(await health).toBeGreaterThan(2);
    const wrong = answers.filter(({ status, json, errorType, headers }) =>
      status === 200
        ? json !== 300
        : status !== 429 || errorType !== "TooManyRequestsException" || headers["retry-after"] === undefined,
    );
    expect(wrong.map(({ status, body }) => `${status} ${body}`)).toEqual([]);
    expect(answers.filter(({ status }) => status === 200).length).toBeGreaterThan(20);
    expect(answers.filter(({ status }) => status === 429).length).toBeGreaterThan(900); // 1,000 may run or wait.
    expect((await lambda.invoke("slow", { ms: 1 })).json).toBe(1);
  });

  test("callers that hang up leave the queue and cost nobody an answer", async () => {
    const agent = new Agent();
    const outgoing = Array.from({ length: 300 }, () => {
      const call = request(`${hearth.url}/2015-03-31/functions/slow/invocations`, { method: "POST", agent });
      call.on("error", () => {});
      call.end('{"ms":2000}');
      return call;
    });
    await eventually(
      () => hearth.status(),
      ({ counts }) => counts.runningInvocations > 0,
      20_000,
    );
    for (const call of outgoing) call.destroy();
    expect((await lambda.invoke("slow", { ms: 2 })).json).toBe(2);
    const idle = await eventually(
      () => hearth.status(),
      ({ counts }) => counts.runningInvocations + counts.waitingInvocations === 0,
      30_000,
    );
    expect(idle.counts).toMatchObject({ runningInvocations: 0, waitingInvocations: 0 });
  });

  test("bodies that come by the drop hold up nobody", async () => {
    const { hostname, port } = new URL(hearth.url);
    const head = "POST /2015-03-31/functions/slow/invocations HTTP/1.1\r\nHost: x\r\nContent-Length: 6000000\r\n\r\n{";
    const sockets = Array.from({ length: 500 }, () => {
      const socket = connect(Number(port), hostname);
      socket.on("error", () => {});
      socket.write(head);
      return socket;
    });
    await Promise.all(sockets.map((socket) => new Promise((resolve) => socket.once("connect", resolve))));
    const drops = setInterval(() => {
      for (const socket of sockets) socket.write(" ");
    }, 50);
    try {
      for (let i = 0; i < 20; i++) {
        const answer = await lambda.invoke("slow", { ms: i });
        expect([200, 429]).toContain(answer.status); // Their bodies count towards the memory that bodies may hold.
      }
      expect(await isHealthy()).toBe(true);
    } finally {
      clearInterval(drops);
      for (const socket of sockets) socket.destroy();
    }
    const answer = await eventually(
      () => lambda.invoke("slow", { ms: 3 }),
      ({ status }) => status === 200,
      10_000,
    );
    expect(answer.json).toBe(3);
  });

  test("garbage is answered with an error or cut off", async () => {
    const seed = randomInt(2 ** 31);
    const { host, hostname, port } = new URL(hearth.url);
    const garbage = new Garbage(seed, host);
    const seen = new Set<number | undefined>();
    for (let sent = 0; sent < GARBAGE_REQUESTS; sent += 50) {
      const texts = Array.from({ length: 50 }, () => garbage.request());
      const statuses = await Promise.all(texts.map((text) => statusOf(text, hostname, Number(port))));
      const wrong = texts.filter(
        (_, i) => statuses[i] !== undefined && ((statuses[i] ?? 0) < 200 || (statuses[i] ?? 0) >= 500),
      );
      for (const status of statuses) seen.add(status);
      expect(wrong, `seed ${seed}`).toEqual([]);
      expect(await isHealthy(), `seed ${seed}`).toBe(true);
    }
    // Else it was all refused at the door.
    for (const status of [200, 400, 403, 404]) expect([...seen], `seed ${seed}`).toContain(status);
    expect(hearth.log).not.toContain("a request failed");
    expect((await lambda.invoke("slow", { ms: 4 })).json).toBe(4);
  });
});

/** Requests between almost right and noise; the same seed draws the same ones. */
class Garbage {
  readonly #host: string;
  #state: number;

  /** @param host whose name most of them give. */
  constructor(seed: number, host: string) {
    this.#state = seed;
    this.#host = host;
  }

  request(): Buffer {
    if (this.#below(10) === 0) return this.#bytes(1 + this.#below(400));
    const method = this.#oneOf(["GET", "GET", "POST", "POST", "PUT", "DELETE", "PATCH", "BREW"]);
    const path = this.#oneOf([
      "/2015-03-31/functions",
      "/2015-03-31/functions/slow",
      "/2015-03-31/functions/slow/configuration",
      "/2015-03-31/functions/slow/code",
      "/2015-03-31/functions/%00%ff/invocations",
      `/2015-03-31/functions/${"a".repeat(this.#below(3000))}`,
      "/2015-03-31/functions/../../etc/passwd",
      "/2017-03-31/tags/arn%3Aaws%3Alambda",
      "/2016-08-19/account-settings",
      "/_hearth/logs/..%2f..%2fhearth.db",
      "/_hearth/code/0?Expires=1e999&Signature=",
      `/${this.#bytes(30)
        .toString("latin1")
        .replace(/[\s\0]/g, "_")}`,
    ]);
    const query = this.#oneOf(["", "?Qualifier=$LATEST", "?MaxItems=-1", "?Marker=%ff", "?tagKeys=", "?%"]);
    const body = this.#oneOf([
      Buffer.alloc(0),
      Buffer.from("{}"),
      Buffer.from('{"FunctionName":{"a":1},"Code":[],"Timeout":"x"}'),
      Buffer.from(
        `{"__proto__":{"FunctionName":"p"},"FunctionName":"made-of-garbage","Role":"arn","Code":{"ZipFile":"!"}}`,
      ),
      Buffer.from("[".repeat(20_000)),
      this.#bytes(this.#below(2000)),
    ]);
    // Deletion and updates are refused by their own rules only if the name is not the one under test.
    const safe = method === "DELETE" || method === "PUT" ? path.replace("slow", "nobody") : path;
    const length = this.#below(6) === 0 ? this.#oneOf([-1, "many", body.length + 10]) : body.length;
    const headers = [
      `Host: ${this.#below(8) === 0 ? "elsewhere.example" : this.#host}`,
      this.#below(8) === 0 ? "Transfer-Encoding: chunked" : `Content-Length: ${length}`,
      this.#oneOf([
        "X-Amz-Invocation-Type: Event",
        "X-Amz-Log-Type: \u00e4",
        "X-Amz-Log-Type: Tail",
        "X-Amz-Client-Context: !!",
      ]),
      this.#oneOf([
        "Authorization: AWS4-HMAC-SHA256 Credential=a/b/c",
        "Authorization: Bearer x",
        "Expect: 100-continue",
        "Accept: */*",
        "Connection: close",
      ]),
    ];
    return Buffer.concat([
      Buffer.from(`${method} ${safe}${query} HTTP/1.1\r\n${headers.join("\r\n")}\r\n\r\n`, "latin1"),
      body,
    ]);
  }

  #oneOf<T>(values: readonly T[]): T {
    return values[this.#below(values.length)] as T;
  }

  #bytes(count: number): Buffer {
    return Buffer.from(Array.from({ length: count }, () => this.#below(256)));
  }

  /** A linear congruential generator (Numerical Recipes' constants): enough for noise. */
  #below(limit: number): number {
    this.#state = (Math.imul(this.#state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((this.#state / 2 ** 32) * limit);
  }
}

/** undefined: cut off, or still waiting for the rest when the sender has said all it had. */
function statusOf(text: Buffer, host: string, port: number): Promise<number | undefined> {
  return new Promise((resolve) => {
    const socket = connect(port, host, () => socket.write(text));
    const timer = setTimeout(() => socket.destroy(), 200);
    let answer = "";
    socket.on("data", (chunk) => {
      answer += chunk.toString("latin1");
      if (answer.includes("\r\n\r\n") && !answer.startsWith("HTTP/1.1 100")) socket.destroy();
    });
    socket.on("error", () => {});
    socket.on("close", () => {
      clearTimeout(timer);
      const [, status] = /^HTTP\/1\.1 (\d{3})/.exec(answer.replace(/^HTTP\/1\.1 100.*\r\n\r\n/, "")) ?? [];
      resolve(status === undefined ? undefined : Number(status));
    });
  });
}
