import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import { afterEach, beforeEach, expect, test } from "vitest";
import { FrameDecoder } from "../../protocol/frame.ts";
import { CodeSender } from "./code-sender.ts";

/** More than the buffers between two processes of one host take. */
const ARCHIVE = Buffer.alloc(40 * 1024 * 1024, 7);
const HASH = "ab".repeat(32);

let server: Server;
let ends: Socket[];

beforeEach(async () => {
  ends = [];
  server = createServer({ pauseOnConnect: true });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
});
afterEach(() => {
  for (const socket of ends) socket.destroy();
  server.close();
});

/** Both ends of a connection; the host's reads nothing yet. */
async function connected(): Promise<{ readonly own: Socket; readonly host: Socket }> {
  const accepted = once(server, "connection") as Promise<[Socket]>;
  const host = connect((server.address() as { port: number }).port, "127.0.0.1");
  const [own] = await accepted;
  for (const socket of [own, host]) ends.push(socket.on("error", () => {}));
  return { own, host };
}

/** Reads to the end. @returns how many bytes of code came. */
async function received(host: Socket): Promise<number> {
  const decoder = new FrameDecoder();
  let bytes = 0;
  host.on("data", (chunk: Buffer) =>
    decoder.push(chunk, (_, payload) => {
      bytes += payload.length;
    }),
  );
  await once(host, "close");
  return bytes;
}

test("hosts that read nothing keep no other host from its code", async () => {
  const sender = new CodeSender(async () => ARCHIVE);
  for (let count = 0; count < 20; count++) {
    const { own } = await connected();
    void sender.send(own, HASH, "h-bad");
  }
  const { own, host } = await connected();
  void sender.send(own, HASH, "h-good");
  expect(await received(host)).toBe(ARCHIVE.length);
});

test("a host that talks but does not read is cut off, and so is one that reads without end", async () => {
  const talking = await connected();
  const chatter = setInterval(() => talking.host.write("x"), 10);
  await new CodeSender(async () => ARCHIVE, { stalledMsMax: 200 }).send(talking.own, HASH, "h-1");
  clearInterval(chatter);
  expect(talking.own.destroyed).toBe(true);

  const slow = await connected();
  await new CodeSender(async () => ARCHIVE, { sendingMsMax: 200 }).send(slow.own, HASH, "h-1");
  expect(slow.own.destroyed).toBe(true);
});

test("one host may not fill the line for all", async () => {
  const sender = new CodeSender(async () => ARCHIVE, { waitingPerHostMax: 2 });
  const sent: Promise<unknown>[] = [];
  for (let count = 0; count < 5; count++) {
    const { own } = await connected();
    sent.push(sender.send(own, HASH, "h-bad").catch((error: Error) => error.message));
  }
  expect(await sent[4]).toContain("too much code is asked for");
  const { own, host } = await connected();
  void sender.send(own, HASH, "h-good");
  expect(await received(host)).toBe(ARCHIVE.length);
});

test("code that cannot be read is said to be so, and the next one has its turn", async () => {
  let isThere = false;
  const sender = new CodeSender(async () => (isThere ? ARCHIVE : Promise.reject(new Error("no such code"))), {
    sendingMax: 1,
  });
  const first = await connected();
  await expect(sender.send(first.own, HASH, "h-1")).rejects.toThrow("no such code");
  isThere = true;
  const second = await connected();
  void sender.send(second.own, HASH, "h-1");
  expect(await received(second.host)).toBe(ARCHIVE.length);
});

test("a host that waits for its turn is told so, if it can be told", async () => {
  const sender = new CodeSender(async () => ARCHIVE, { sendingMax: 1, waitingWordMs: 20 });
  const first = await connected();
  void sender.send(first.own, HASH, "h-1"); // It reads nothing yet.
  const [told, untold] = [await connected(), await connected()];
  const heard = { told: [] as unknown[], untold: [] as unknown[] };
  for (const [name, { host }] of Object.entries({ told, untold })) {
    const decoder = new FrameDecoder();
    host.on("data", (chunk: Buffer) =>
      decoder.push(chunk, (header) => heard[name as keyof typeof heard].push((header as { kind: string }).kind)),
    );
  }
  void sender.send(told.own, HASH, "h-2", true);
  void sender.send(untold.own, HASH, "h-3");

  await expect.poll(() => heard.told.length).toBeGreaterThan(1);
  expect(heard).toEqual({ told: heard.told.map(() => "heartbeat"), untold: [] });

  first.host.resume();
  await Promise.all([once(told.host, "close"), once(untold.host, "close")]);
  expect(heard.told.slice(heard.told.lastIndexOf("heartbeat") + 1)).toEqual(heard.untold);
  expect(heard.untold).toEqual(Array(40).fill("codePart"));
});
