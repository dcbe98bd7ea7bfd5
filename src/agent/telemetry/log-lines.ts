/** A line that grows beyond this is told in pieces. */
const LINE_UNITS_MAX = 64 * 1024;

/** Cuts what a process writes into lines, for records of their own. */
export class LogLines {
  readonly #onLine: (line: string) => void;
  readonly #decoder = new TextDecoder();
  #rest = "";

  /** @param onLine called with each line, without its end. */
  constructor(onLine: (line: string) => void) {
    this.#onLine = onLine;
  }

  write(text: Buffer): void {
    const lines = (this.#rest + this.#decoder.decode(text, { stream: true })).split("\n");
    this.#rest = lines.pop() as string;
    for (const line of lines) this.#tell(line);
    if (this.#rest.length > LINE_UNITS_MAX) this.end();
  }

  /** What was begun and not ended is a line too. */
  end(): void {
    const rest = this.#rest;
    this.#rest = "";
    if (rest !== "") this.#tell(rest);
  }

  #tell(line: string): void {
    for (let start = 0; start < Math.max(1, line.length); start += LINE_UNITS_MAX) {
      this.#onLine(line.slice(start, start + LINE_UNITS_MAX));
    }
  }
}
