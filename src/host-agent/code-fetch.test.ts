import { connect, createServer, type Server } from "node:net";
import { afterEach, expect, test } from "vitest";
import { encodeFrame, FrameDecoder } from "../protocol/frame.ts";
import { fetchCode } from "./code-fetch.ts";

const HASH = "ab".repeat(32);
let server: Server | undefined;
afterEach(() => void server?.close());

/** What the server says to a host that asks for code, and what it was asked. */
async function asked(answers: readonly [header: object, payload?: string][]) {
  const greetings: unknown[] = [];
  const listening = createServer((socket) => {
    const decoder = new FrameDecoder();
    socket.on("data", (chunk: Buffer) =>
      decoder.push(chunk, (header) => {
        greetings.push(header);
        for (const [said, payload = ""] of answers) socket.write(encodeFrame(said, Buffer.from(payload)));
      }),
    );
  });
  server = listening;
  await new Promise<void>((resolve) => listening.listen(0, "127.0.0.1", resolve));
  const { port } = listening.address() as { port: number };
  return { greetings, fetched: fetchCode(async () => connect(port, "127.0.0.1"), HASH) };
}

test("code that others have their turn before is waited for", async () => {
  const { greetings, fetched } = await asked([
    [{ kind: "heartbeat" }],
    [{ kind: "heartbeat" }],
    [{ kind: "codePart", isLast: false }, "first "],
    [{ kind: "codePart", isLast: true }, "last"],
  ]);
  expect((await fetched).toString()).toBe("first last");
  expect(greetings).toEqual([{ kind: "fetchCode", sha256Hex: HASH, mayWait: true }]);
});

test("what is no code is an error that names it, after some tries", async () => {
  const { greetings, fetched } = await asked([[{ kind: "launch", orderId: "o", order: 1 }]]);
  await expect(fetched).rejects.toThrow(HASH);
  expect(greetings).toHaveLength(3);
});
