import { RUNTIMES, type RuntimeName } from "../../model/runtime.ts";

/** Blank containers of a runtime whose use is remembered. */
const REMEMBERED = 32;
/** Of them, before their use says anything. */
const MEASURED_MIN = 5;
/** Above the largest one: what a started runtime holds hardly differs from one container to the next. */
const MARGIN = 1.15;
const STEP_MIB = 4;

/** What instances are packed by for blank containers of each runtime: what such containers really hold. Their limit is another matter. */
export class BlankSizes {
  readonly #limitMiB: number;
  readonly #measured: { readonly [runtime in RuntimeName]: number[] };
  readonly #reserved = new Map<RuntimeName, number>();

  /** @param limitMiB reserved until something is known, and at most. */
  constructor(limitMiB: number) {
    this.#limitMiB = limitMiB;
    this.#measured = Object.fromEntries(RUNTIMES.map((runtime) => [runtime, []])) as never;
  }

  reservedMiB(runtime: RuntimeName): number {
    return this.#reserved.get(runtime) ?? this.#limitMiB;
  }

  /** A blank container has started and holds so much. */
  observe(runtime: RuntimeName, memoryMiB: number): void {
    const measured = this.#measured[runtime];
    measured.push(memoryMiB);
    if (measured.length > REMEMBERED) measured.shift();
    if (measured.length < MEASURED_MIN) return;
    const wantedMiB = Math.ceil((Math.max(...measured) * MARGIN) / STEP_MIB) * STEP_MIB;
    this.#reserved.set(runtime, Math.min(this.#limitMiB, Math.max(STEP_MIB, wantedMiB)));
  }
}
