/** Pauses after failures: doubles with each one in a row, up to 64 times the first. */
export class Backoff {
  readonly #firstMs: number;
  failures = 0;
  notBeforeMs = 0;

  constructor(firstMs: number) {
    this.#firstMs = firstMs;
  }

  failed(nowMs: number): void {
    this.failures++;
    this.notBeforeMs = nowMs + this.#firstMs * 2 ** Math.min(this.failures - 1, DOUBLINGS_MAX);
  }

  succeeded(): void {
    this.failures = 0;
    this.notBeforeMs = 0;
  }

  allows(nowMs: number): boolean {
    return nowMs >= this.notBeforeMs;
  }
}

const DOUBLINGS_MAX = 6;
