import { describe, expect, test } from "vitest";
import type { Delivery } from "./delivery.ts";
import { Subscriber } from "./subscriber.ts";
import type { Subscription } from "./subscription.ts";
import type { TelemetryRecord } from "./telemetry-record.ts";

const SUBSCRIPTION: Subscription = {
  api: "telemetry",
  schemaVersion: "2022-12-13",
  streams: ["platform", "function"],
  destination: { protocol: "TCP", port: 1 },
  buffering: { timeoutMs: 25, maxBytes: 262_144, maxItems: 1000 },
};

const line = (record: string): TelemetryRecord => ({ time: "2026-01-01T00:00:00.000Z", type: "function", record });

/** A subscriber whose listener takes a batch when the test says so. */
function open(subscription: Partial<Subscription> = {}) {
  const batches: TelemetryRecord[][] = [];
  const waiting: (() => void)[] = [];
  const delivery: Delivery = {
    send: (records) =>
      new Promise((resolve) => {
        batches.push(records.map((record) => JSON.parse(record.toString()) as TelemetryRecord));
        waiting.push(resolve);
      }),
    close() {},
  };
  const subscriber = new Subscriber({ ...SUBSCRIPTION, ...subscription }, delivery);
  return { subscriber, batches, take: () => waiting.shift()?.() };
}

describe("a subscriber", () => {
  test("gets what is made within a time in one batch, of the streams that it wants", async () => {
    const { subscriber, batches, take } = open();
    subscriber.push(line("a"));
    subscriber.push({ ...line("not this"), type: "extension" });
    subscriber.push(line("b"));
    await expect.poll(() => batches.length).toBe(1);
    expect(batches[0]?.map(({ record }) => record)).toEqual(["a", "b"]);
    take();
    await subscriber.flush();
    subscriber.close();
  });

  test("that does not take a batch loses what finds no room, and is told of it", async () => {
    const { subscriber, batches, take } = open();
    const count = 5000;
    for (let n = 0; n < count; n += 1) subscriber.push(line(`${n}`));
    expect(batches).toHaveLength(1);
    take();
    await expect.poll(() => batches.length).toBe(2);
    take();
    await expect.poll(() => batches.length).toBe(3);
    take();
    const records = batches.flat();
    const taken = records.filter(({ type }) => type === "function").length;
    expect(taken).toBe(2000);
    const [told] = records.filter(({ type }) => type === "platform.logsDropped");
    expect(told?.record).toMatchObject({ droppedRecords: count - taken });
    subscriber.close();
  });

  test("is not sent a record that is larger than its buffer", async () => {
    const { subscriber, batches, take } = open();
    subscriber.push(line("x".repeat(300_000)));
    subscriber.push(line("small"));
    await expect.poll(() => batches.length).toBe(1);
    take();
    await expect.poll(() => batches.length).toBe(2);
    expect(batches[1]?.[0]).toMatchObject({ type: "platform.logsDropped", record: { droppedRecords: 1 } });
    subscriber.close();
  });

  test("that cannot be reached is tried again, and loses the batch then", async () => {
    let tries = 0;
    const refusing: Delivery = {
      send: () => {
        tries += 1;
        return Promise.reject(new Error("refused"));
      },
      close() {},
    };
    const subscriber = new Subscriber(SUBSCRIPTION, refusing);
    subscriber.push(line("a"));
    await subscriber.flush();
    expect(tries).toBe(4);
    subscriber.close();
  });
});
