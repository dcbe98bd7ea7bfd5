import { HearthError } from "../model/error-code.ts";
import type { Shape } from "../model/instance.ts";

/**
 * Whether a host has room for one more slice. Memory is given out once; processors are shared by time, so
 * each slice may have as many as there are.
 *
 * @param held of the slices that exist.
 * @throws HearthError LAUNCH_FAILED for a shape that none can have, INSUFFICIENT_CAPACITY when there is not as much left.
 */
export function checkRoom(shape: Shape, held: readonly Shape[], capacity: Shape): void {
  if (!(shape.memoryMiB > 0 && shape.cpuMilli > 0))
    throw new HearthError("LAUNCH_FAILED", `no instance has ${shape.memoryMiB} MiB and ${shape.cpuMilli} mCPU`);
  const heldMiB = held.reduce((sum, { memoryMiB }) => sum + memoryMiB, 0);
  if (heldMiB + shape.memoryMiB > capacity.memoryMiB)
    throw new HearthError(
      "INSUFFICIENT_CAPACITY",
      `${shape.memoryMiB} MiB beside ${heldMiB} of ${capacity.memoryMiB} MiB`,
    );
  if (shape.cpuMilli > capacity.cpuMilli)
    throw new HearthError("INSUFFICIENT_CAPACITY", `${shape.cpuMilli} of ${capacity.cpuMilli} mCPU`);
}
