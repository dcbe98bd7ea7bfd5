/**
 * A pool as it would have been: the same demand, launches that always take `bootMinutes` and always succeed. It tells how
 * often a target would have been enough, without the pool in the world having to try.
 */
export class VirtualPool {
  /** At the end of which of the last minutes how many were launched, and what the target was. */
  readonly #launched: Float64Array;
  readonly #targets: Float64Array;
  #ready = 0;
  #launching = 0;
  #minute = 0;
  /** What was asked for and was not ready, of older minutes ever less: `forget`. */
  misses = 0;
  /** Minutes that ready instances stood there, of older minutes ever less. */
  idleMinutes = 0;

  constructor(bootMinutes: number) {
    this.#launched = new Float64Array(bootMinutes + 1);
    this.#targets = new Float64Array(bootMinutes + 1);
  }

  /** A minute passes in which `count` are asked for. */
  minuteOver(count: number): void {
    const slot = this.#minute++ % this.#launched.length;
    const arrived = this.#launched[slot] ?? 0;
    this.#launched[slot] = 0;
    this.#launching -= arrived;
    this.#ready += arrived;
    const served = Math.min(this.#ready, count);
    this.#ready -= served;
    this.misses += count - served;
    this.idleMinutes += this.#ready;
  }

  /** At the end of the minute: launches what is missing, or gives up ready ones beyond `keep`. */
  bringTo(target: number): void {
    const slot = (this.#minute - 1) % this.#launched.length;
    this.#targets[slot] = target;
    const instances = this.#ready + this.#launching;
    if (instances < target) {
      this.#launched[slot] = target - instances;
      this.#launching += target - instances;
    }
    this.#ready -= Math.min(this.#ready, Math.max(0, instances - this.keep));
  }

  /** The highest target of the last minutes, as many as a launch and a minute take: no more need be kept. */
  get keep(): number {
    return this.#targets.reduce((most, target) => Math.max(most, target), 0);
  }

  forget(share: number): void {
    this.misses *= 1 - share;
    this.idleMinutes *= 1 - share;
  }
}
