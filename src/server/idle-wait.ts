/** Waits until nothing runs any more; for one who waits at a time. */
export class IdleWait {
  readonly #runningCount: () => number;
  #onIdle: (() => void) | undefined;

  constructor(runningCount: () => number) {
    this.#runningCount = runningCount;
  }

  /** Resolves when nothing runs, after `graceMs`, or on `hurry`, whichever is first. */
  within(graceMs: number, hurry: AbortSignal): Promise<void> {
    if (this.#runningCount() === 0) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, graceMs);
      const done = () => {
        clearTimeout(timer);
        resolve();
      };
      this.#onIdle = done;
      if (hurry.aborted) done();
      hurry.addEventListener("abort", done);
    });
  }

  /** To be called whenever something has ended. */
  check(): void {
    if (this.#onIdle !== undefined && this.#runningCount() === 0) setImmediate(this.#onIdle);
  }
}
