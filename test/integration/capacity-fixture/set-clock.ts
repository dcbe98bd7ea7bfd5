import { existsSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { skipUnless } from "../../skip.ts";

/** Where Debian's package `faketime` has it. */
const LIBRARY = ["x86_64", "aarch64"]
  .map((machine) => `/usr/lib/${machine}-linux-gnu/faketime/libfaketimeMT.so.1`)
  .find((path) => existsSync(path));

export const needsFaketime = skipUnless(LIBRARY !== undefined, "needs libfaketime (Debian package faketime)");

/** The wall clock of a process that a test starts; its monotonic clock goes on, as on a machine whose clock is set. */
export class SettableClock {
  readonly #folder = mkdtempSync(join(tmpdir(), "hearth-clock-"));
  #offsetS = 0;

  constructor() {
    this.setBy(0);
  }

  /** Of the process. */
  get env(): Readonly<Record<string, string>> {
    return {
      LD_PRELOAD: LIBRARY ?? "",
      FAKETIME_TIMESTAMP_FILE: this.#file,
      FAKETIME_DONT_FAKE_MONOTONIC: "1",
      FAKETIME_NO_CACHE: "1",
      FAKETIME_DONT_RESET: "1",
    };
  }

  /** As the process believes. */
  get nowMs(): number {
    return Date.now() + this.#offsetS * 1000;
  }

  /** @param seconds from the true time on. */
  setBy(seconds: number): void {
    this.#offsetS = seconds;
    // At once or not at all: it is read at every look at the clock.
    writeFileSync(`${this.#file}.new`, `${seconds < 0 ? "-" : "+"}${Math.abs(seconds)}\n`);
    renameSync(`${this.#file}.new`, this.#file);
  }

  get #file(): string {
    return join(this.#folder, "offset");
  }

  [Symbol.dispose](): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
