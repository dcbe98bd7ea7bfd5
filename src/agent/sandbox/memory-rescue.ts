import type { Cgroup, MemoryGuard } from "../../host/cgroup.ts";
import type { DescriptorWatch } from "../../host/descriptor-watch.ts";
import { nearLimit, raisedLimit } from "./raised-limit.ts";

const MEBIBYTE = 1024 * 1024;

export type RescueParts = {
  readonly cgroup: Cgroup;
  readonly watch: DescriptorWatch;
  readonly limitMiB: number;
  /** The limit is raised no further. */
  readonly ceilingMiB: number;
  /** What the instance has left now. */
  readonly roomMiB: () => number;
  readonly onRaised: (limitMiB: number) => void;
  /** The kernel refused something: there is no rescue any more, and the kernel kills at the limit. */
  readonly onTrouble: (cause: unknown) => void;
};

/**
 * Raises a container's memory limit while it runs, before the kernel would kill it. States: armed (below the ceiling: the
 * kernel tells when the use comes near), and over (at the ceiling, or there was no room when it ran into its limit, or closed).
 */
export class MemoryRescue {
  readonly #parts: RescueParts;
  #guard: MemoryGuard | undefined;
  #limitMiB: number;

  constructor(parts: RescueParts) {
    this.#parts = parts;
    this.#limitMiB = parts.limitMiB;
    this.#guarded(() => {
      this.#guard = parts.cgroup.guardMemory(parts.watch, () => this.#onEvent());
      if (this.#guard !== undefined) this.#arm(this.#guard);
    });
  }

  close(): void {
    this.#guard?.close();
    this.#guard = undefined;
  }

  #onEvent(): void {
    const guard = this.#guard;
    if (guard !== undefined) this.#guarded(() => this.#rescue(guard));
  }

  /** Again while there is need: what was taken meanwhile raises no event. */
  #arm(guard: MemoryGuard): void {
    guard.arm(this.#limitMiB, nearLimit(this.#limitMiB));
    this.#rescue(guard);
  }

  #rescue(guard: MemoryGuard): void {
    const { cgroup, ceilingMiB, roomMiB, onRaised } = this.#parts;
    const { heldBytes, isStuck } = guard.look();
    // Otherwise it is file cache, which the kernel gives back on demand.
    const isNeeded = isStuck || heldBytes >= nearLimit(this.#limitMiB) * MEBIBYTE;
    if (!isNeeded) return;
    const raisedMiB = raisedLimit(this.#limitMiB, ceilingMiB, roomMiB());
    if (raisedMiB === undefined) return isStuck ? this.#giveUp(guard) : undefined;
    this.#limitMiB = raisedMiB;
    cgroup.setLimits({ memoryMiB: raisedMiB });
    onRaised(raisedMiB);
    if (raisedMiB < ceilingMiB) this.#arm(guard);
    else this.#giveUp(guard);
  }

  #giveUp(guard: MemoryGuard): void {
    guard.disarm();
    this.close();
  }

  #guarded(action: () => void): void {
    try {
      action();
    } catch (cause) {
      this.#abandon();
      this.#parts.onTrouble(cause);
    }
  }

  /** Nobody may wait at a limit that is not raised any more. */
  #abandon(): void {
    try {
      this.#guard?.disarm();
    } catch {
      // The group is gone, and all in it.
    } finally {
      this.close();
    }
  }
}
