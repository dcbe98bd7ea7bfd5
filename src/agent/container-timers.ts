/** Lambda's limit of the init phase; an init over it is repeated as part of the invocation. */
export const INIT_MS_MAX = 10_000;
/** Lambda's limit of an init ahead of its invocation (provisioned concurrency); a function that may run for longer has that long. */
export const INIT_AHEAD_MS_MAX = 130_000;
/**
 * The first execution has the instance's processors for this long, as the init before it had: its code is cold too, see
 * docs/design/0006-cpu.md. Between a prewarm and its first run the container has them until it is frozen.
 */
const FIRST_RUN_BOOST_MS = 100;
/** From the order to make a container until its runtime waits for a function. */
export const CREATE_MS_MAX = 60_000;

/** The clocks of one container. What it means when one fires depends on the container's state. */
export class ContainerTimers {
  /** Of the container's start, and later of its init. */
  #start: NodeJS.Timeout | undefined;
  /** Re-armed for each execution. */
  #deadline: NodeJS.Timeout | undefined;
  #freeze: NodeJS.Timeout | undefined;
  #boost: NodeJS.Timeout | undefined;

  beginStart(onOverrun: () => void): void {
    this.#start = setTimeout(onOverrun, CREATE_MS_MAX);
  }

  /** Again: the limit counts from now. */
  beginInit(onOverrun: () => void, initMsMax: number): void {
    clearTimeout(this.#start);
    this.#start = setTimeout(onOverrun, initMsMax);
  }

  /** The container has started, or initialised. */
  endStart(): void {
    clearTimeout(this.#start);
  }

  /** From now on, and from each `refreshDeadline`. */
  setDeadline(onDeadline: () => void, timeoutMs: number): void {
    this.#deadline = setTimeout(onDeadline, timeoutMs);
  }

  /** Nothing happens before `setDeadline`. */
  refreshDeadline(): void {
    this.#deadline?.refresh();
  }

  /** From now on, and from each `refreshFreeze`. */
  setFreeze(onDue: () => void, freezeAfterMs: number): void {
    this.#freeze = setTimeout(onDue, freezeAfterMs);
  }

  /** Nothing happens before `setFreeze`. */
  refreshFreeze(): void {
    this.#freeze?.refresh();
  }

  /** Whether the container's first execution has begun. */
  get hasBoosted(): boolean {
    return this.#boost !== undefined;
  }

  beginBoost(onOver: () => void): void {
    this.#boost = setTimeout(onOver, FIRST_RUN_BOOST_MS);
  }

  stop(): void {
    clearTimeout(this.#start);
    clearTimeout(this.#deadline);
    clearTimeout(this.#freeze);
    clearTimeout(this.#boost);
  }
}
