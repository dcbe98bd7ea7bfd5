import { spawn, spawnSync } from "node:child_process";
import type { Duplex } from "node:stream";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { skipUnless } from "../../../test/skip.ts";
import { encodeFrame, FrameDecoder } from "../../protocol/frame.ts";

const RUNTIME = fileURLToPath(new URL("python-runtime.py", import.meta.url));
/** Sends back each frame, by the runtime's own reader and writer. */
const ECHO = `
import importlib.util, json, socket, sys
spec = importlib.util.spec_from_file_location("runtime", sys.argv[1])
runtime = importlib.util.module_from_spec(spec)
spec.loader.exec_module(runtime)
connection = socket.socket(fileno=3)
connection.setblocking(True)
reader, channel = runtime.FrameReader(connection), runtime.Channel(connection)
while (frame := reader.next()) is not None:
    channel.send(json.dumps(frame[0]).encode(), bytes(frame[1]))
`;

const { status } = spawnSync("python3", ["-c", "import sys; sys.exit(sys.version_info < (3, 11))"]);

describe("frames of the Python runtime", skipUnless(status === 0, "needs python3 of 3.11 or newer"), () => {
  let child: ReturnType<typeof spawn>;
  let channel: Duplex;
  const decoder = new FrameDecoder();
  const waiting: ((frame: { header: unknown; payload: Buffer }) => void)[] = [];

  beforeAll(() => {
    child = spawn("python3", ["-B", "-c", ECHO, RUNTIME], { stdio: ["ignore", "inherit", "inherit", "pipe"] });
    channel = child.stdio[3] as Duplex;
    channel.on("data", (chunk: Buffer) =>
      decoder.push(chunk, (header, payload) => waiting.shift()?.({ header, payload })),
    );
  });
  afterAll(() => void child.kill());

  const echoed = () => new Promise<{ header: unknown; payload: Buffer }>((resolve) => waiting.push(resolve));

  test("come back as they were, in whatever pieces they arrive", async () => {
    const frames = fc.array(
      fc.record({
        header: fc.dictionary(fc.string({ unit: "grapheme" }), fc.oneof(fc.string(), fc.integer(), fc.boolean())),
        payload: fc.uint8Array({ maxLength: 300 }),
      }),
      { minLength: 1, maxLength: 4 },
    );
    await fc.assert(
      fc.asyncProperty(frames, fc.integer({ min: 1, max: 700 }), async (sent, pieceBytes) => {
        const bytes = Buffer.concat(sent.map(({ header, payload }) => encodeFrame(header, Buffer.from(payload))));
        const answers = sent.map(echoed);
        for (let start = 0; start < bytes.length; start += pieceBytes) {
          channel.write(bytes.subarray(start, start + pieceBytes));
        }
        for (const [index, { header, payload }] of (await Promise.all(answers)).entries()) {
          expect(header).toEqual({ ...sent[index]?.header });
          expect(payload).toEqual(Buffer.from(sent[index]?.payload ?? []));
        }
      }),
    );
  }, 30_000);

  test.each([65_520, 65_528, 65_536, 65_544, 200_000, 7_000_000])("of %i bytes come back", async (bytes) => {
    const payload = Buffer.alloc(bytes, "ab");
    const answers = [echoed(), echoed()];
    channel.write(Buffer.concat([encodeFrame({ n: 1 }, payload), encodeFrame({ n: 2 })]));
    const [large, small] = await Promise.all(answers);
    expect([large?.header, large?.payload.equals(payload), small?.header]).toEqual([{ n: 1 }, true, { n: 2 }]);
  });
});
