import type { Cgroup } from "../../host/cgroup.ts";
import type { DescriptorWatch } from "../../host/descriptor-watch.ts";
import type { PressureBounds, PressureReport } from "../container-backend.ts";

const MEBIBYTE = 1024 * 1024;
/** While the use is high, or where the kernel has no event for it. */
const LOOK_MS = 250;
/** Told again when it has risen by so much of the bound. */
const FURTHER_SHARE = 0.05;

/**
 * Tells when the containers of an instance together hold much memory that cannot be reclaimed, when they hold still more,
 * and when they do not any more. States: calm (the kernel tells when use, file cache counted in, rises to the
 * bound; without such an event the use is looked at), high (use is above it: what is held is looked at),
 * and pressed (it was told).
 */
export class InstancePressure {
  readonly #group: Cgroup;
  readonly #bounds: PressureBounds;
  readonly #onReport: (report: PressureReport) => void;
  readonly #stopEvents: (() => void) | undefined;
  #timer: NodeJS.Timeout | undefined;
  /** undefined: calm or high. */
  #toldMiB: number | undefined;

  constructor(
    group: Cgroup,
    watch: DescriptorWatch,
    bounds: PressureBounds,
    onReport: (report: PressureReport) => void,
  ) {
    this.#group = group;
    this.#bounds = bounds;
    this.#onReport = onReport;
    this.#stopEvents = group.watchUsage(watch, bounds.atMiB, () => this.#look());
    this.#look();
  }

  close(): void {
    this.#stopEvents?.();
    clearTimeout(this.#timer);
  }

  #look(): void {
    clearTimeout(this.#timer);
    const { atMiB, clearMiB } = this.#bounds;
    const isHigh = this.#group.memoryUsageBytes() >= atMiB * MEBIBYTE;
    if (isHigh || this.#toldMiB !== undefined) {
      const heldMiB = this.#group.totals().memoryBytes / MEBIBYTE;
      if (heldMiB >= (this.#toldMiB === undefined ? atMiB : this.#toldMiB + atMiB * FURTHER_SHARE)) this.#tell(heldMiB);
      else if (this.#toldMiB !== undefined && heldMiB < clearMiB) this.#tell(heldMiB);
      if (heldMiB < clearMiB) this.#toldMiB = undefined;
    }
    const mustLook = isHigh || this.#toldMiB !== undefined || this.#stopEvents === undefined;
    if (mustLook) this.#timer = setTimeout(() => this.#look(), LOOK_MS).unref();
  }

  #tell(memoryUsedMiB: number): void {
    this.#toldMiB = memoryUsedMiB;
    this.#onReport({ memoryUsedMiB: Math.round(memoryUsedMiB), memoryStallShare: this.#group.memoryStallShare() });
  }
}
