import fc from "fast-check";
import { expect, test } from "vitest";
import type { OfferId } from "../../model/ids.ts";
import type { LaunchOrder } from "../../ports/capacity-provider.ts";
import { containersMiBWithin, guestMemoryMiB, hostShape } from "./guest-shape.ts";
import { checkMachine, machineOffer } from "./machine-offer.ts";

const accelerators = fc.constantFrom("kvm", "tcg");
const memory = fc.integer({ min: 128, max: 65_536 });

test("the guest has more than its containers, and the host gives more than the guest has", () => {
  fc.assert(
    fc.property(memory, accelerators, (memoryMiB, accelerator) => {
      const shape = { memoryMiB, cpuMilli: 1000 };
      expect(guestMemoryMiB(shape)).toBeGreaterThan(memoryMiB);
      expect(hostShape(shape, accelerator).memoryMiB).toBeGreaterThan(guestMemoryMiB(shape));
    }),
  );
});

test("what fits by the inverse fits", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1500, max: 262_144 }), accelerators, (hostMiB, accelerator) => {
      const shape = { memoryMiB: containersMiBWithin(hostMiB, accelerator), cpuMilli: 1000 };
      expect(hostShape(shape, accelerator).memoryMiB).toBeLessThanOrEqual(hostMiB);
      expect(hostShape({ ...shape, memoryMiB: shape.memoryMiB + 3 }, accelerator).memoryMiB).toBeGreaterThan(hostMiB);
    }),
  );
});

test("as many as the offer promises can be had, and no more than the host gives", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1500, max: 262_144 }), accelerators, (memoryMiB, accelerator) => {
      const given = { memoryMiB, cpuMilli: 4000 };
      const offer = machineOffer(given, accelerator, 0);
      const order = { offerId: offer.id, shape: offer.shape } as LaunchOrder;
      const count = (offer.capacity?.memoryMiB ?? 0) / offer.shape.memoryMiB;
      expect(count).toBeGreaterThanOrEqual(1);
      const held = Array.from({ length: count - 1 }, () => offer.shape);
      checkMachine(order, offer, held, given, accelerator);
      expect(() => checkMachine(order, offer, [...held, offer.shape], given, accelerator)).toThrow(
        expect.objectContaining({ code: "INSUFFICIENT_CAPACITY" }),
      );
    }),
  );
});

test("a host that cannot hold one machine has no offer, and others' offers are not ours", () => {
  expect(() => machineOffer({ memoryMiB: 400, cpuMilli: 1000 }, "tcg", 0)).toThrow("no machine fits");
  const given = { memoryMiB: 8192, cpuMilli: 2000 };
  const offer = machineOffer(given, "kvm", 0.5);
  const order = { offerId: "sandbox/host/slice/on-demand" as OfferId, shape: offer.shape } as LaunchOrder;
  expect(() => checkMachine(order, offer, [], given, "kvm")).toThrow(
    expect.objectContaining({ code: "LAUNCH_FAILED" }),
  );
});
