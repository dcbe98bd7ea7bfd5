import { expect, test } from "vitest";
import type { ContainerId, InstanceId, OfferId } from "../../model/ids.ts";
import { OfferState } from "../market/market.ts";
import { DEFAULT_SETTINGS } from "../settings.ts";
import { Container, Instance } from "./instance.ts";
import { Openings } from "./openings.ts";

const RUNTIME = "nodejs24.x";
const source = new OfferState("p/z/m/fixed" as OfferId, { firstMs: 1, mostMs: 1 } as never);

function instanceOf(id: string, memoryMiB = 1024): Instance {
  return new Instance(id as InstanceId, source, "fixed", { memoryMiB, cpuMilli: 1000 }, DEFAULT_SETTINGS, 0);
}

test("an instance is found by what it has to give, for as long as it has it", () => {
  const resting = new Set<Instance>();
  const openings = new Openings(resting);
  const instance = instanceOf("i");
  openings.join(instance);
  const found = () => ({
    blank: openings.withBlank(RUNTIME).size,
    creating: openings.withCreating(RUNTIME).size,
    evictable: openings.evictable.size,
    idle: openings.holdsIdle,
    room: [...openings.withRoom(600)].length,
    resting: resting.size,
  });
  const none = { blank: 0, creating: 0, evictable: 0, idle: false, room: 0, resting: 1 };
  expect(found()).toEqual({ ...none, room: 1 });

  const container = new Container("c" as ContainerId, instance, RUNTIME, 700, 0);
  instance.add(container);
  expect(found()).toEqual({ ...none, creating: 1 });
  instance.enter(container, "blank", 1);
  expect(found()).toEqual({ ...none, blank: 1, evictable: 1 });
  instance.enter(container, "running", 2);
  expect(found()).toEqual({ ...none, resting: 0 });
  instance.enter(container, "idle", 3);
  expect(found()).toEqual({ ...none, evictable: 1, idle: true });
  instance.enter(container, "leaving", 4);
  // It is about to be free.
  expect(found()).toEqual({ ...none, room: 1 });
  instance.remove(container);
  expect(openings.isTrueOf(instance)).toBe(true);

  openings.leave(instance);
  expect(found()).toEqual({ ...none, resting: 0 });
  instance.add(container);
  expect(found()).toEqual({ ...none, resting: 0 });
});

test("what is asked for by its memory may hold less, and never leaves out what has enough", () => {
  const openings = new Openings(new Set());
  const sizes = [0.5, 1, 100, 128, 200, 4096];
  for (const size of sizes) openings.join(instanceOf(`i${size}`, size));
  for (const wanted of [0, 1, 128, 129, 5000]) {
    const found = [...openings.withRoom(wanted)].map(({ shape }) => shape.memoryMiB);
    const enough = sizes.filter((size) => size >= Math.max(1, wanted));
    expect(found).toEqual(expect.arrayContaining(enough));
  }
  expect([...openings.withRoom(256)]).toHaveLength(1);
});
