import type { Offer } from "../../model/capacity.ts";
import { HearthError } from "../../model/error-code.ts";
import type { OfferId } from "../../model/ids.ts";
import type { Shape } from "../../model/instance.ts";
import type { LaunchOrder } from "../../ports/capacity-provider.ts";
import { checkRoom } from "../slice-room.ts";
import { usualSlice } from "../usual-slice.ts";
import { type Accelerator, containersMiBWithin, hostShape } from "./guest-shape.ts";

/**
 * @param given what all machines together may take of the host.
 * @throws HearthError PROVIDER_UNAVAILABLE when not one machine fits.
 */
export function machineOffer(given: Shape, accelerator: Accelerator, priceUsdPerHour: number): Offer {
  const largestMiB = containersMiBWithin(given.memoryMiB, accelerator);
  if (largestMiB <= 0)
    throw new HearthError("PROVIDER_UNAVAILABLE", `microvm: no machine fits into ${given.memoryMiB} MiB`);
  const usual = usualSlice({ memoryMiB: largestMiB, cpuMilli: given.cpuMilli });
  const countMax = Math.floor(given.memoryMiB / hostShape(usual, accelerator).memoryMiB);
  return {
    id: "microvm/host/vm/on-demand" as OfferId,
    provider: "microvm",
    subPool: "fixed",
    instanceType: "vm",
    zone: "host",
    shape: usual,
    isElastic: true,
    capacity: { memoryMiB: countMax * usual.memoryMiB, cpuMilli: given.cpuMilli },
    priceUsdPerHour,
    demandLevel: 0,
    isAvailable: true,
    noticeMs: Number.POSITIVE_INFINITY,
  };
}

/**
 * Whether a machine can be had beside those there are, counted with all that they take of the host.
 *
 * @throws HearthError LAUNCH_FAILED, INSUFFICIENT_CAPACITY.
 */
export function checkMachine(
  { offerId, shape }: LaunchOrder,
  offer: Offer,
  held: readonly Shape[],
  given: Shape,
  accelerator: Accelerator,
): void {
  if (offerId !== offer.id) throw new HearthError("LAUNCH_FAILED", `there is no offer ${offerId}`);
  checkRoom(shape, [], given);
  const taken = held.map((other) => hostShape(other, accelerator));
  checkRoom({ ...hostShape(shape, accelerator), cpuMilli: shape.cpuMilli }, taken, given);
}
