import { styleText } from "node:util";
import type { CliError } from "./cli-error.ts";

type Style = Parameters<typeof styleText>[0];

/**
 * Where a command writes: results to standard output, everything else to standard error, so that
 * output can be piped. Colours appear only where the stream is a terminal that wants them.
 */
export class Terminal {
  readonly stdout: NodeJS.WriteStream;
  readonly stderr: NodeJS.WriteStream;
  #isServing = false;

  constructor(stdout: NodeJS.WriteStream, stderr: NodeJS.WriteStream) {
    this.stdout = stdout;
    this.stderr = stderr;
    // `hearth logs f | head`: the reader has enough, which is no failure.
    stdout.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code !== "EPIPE") throw error;
      if (!this.#isServing) process.exit(0);
    });
    // `hearth up 2>&1 | tee log` and Ctrl-C, which ends `tee` first: what remains to be said is said to nobody.
    stderr.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code !== "EPIPE") throw error;
    });
  }

  /** The command is there for others from now on: that nobody reads what it says any more does not end it. */
  serve(): void {
    this.#isServing = true;
  }

  /** @param text without its line's end. */
  print(text: string): void {
    this.stdout.write(`${text}\n`);
  }

  printJson(value: unknown): void {
    this.print(JSON.stringify(value, null, 2));
  }

  note(text: string): void {
    this.stderr.write(`${text}\n`);
  }

  style(style: Style, text: string): string {
    return styleText(style, text, { stream: this.stdout });
  }

  /** Columns as wide as their widest cell; numbers end at the same place. */
  printTable(header: readonly string[], rows: readonly (readonly (string | number)[])[]): void {
    const cells = rows.map((row) => row.map(String));
    const widths = header.map((name, i) => Math.max(name.length, ...cells.map((row) => row[i]?.length ?? 0)));
    const isNumber = header.map((_, i) => rows.every((row) => typeof row[i] === "number"));
    const line = (row: readonly string[]) =>
      row
        .map((cell, i) => (isNumber[i] ? cell.padStart(widths[i] ?? 0) : cell.padEnd(widths[i] ?? 0)))
        .join("  ")
        .trimEnd();
    this.print(this.style("bold", line(header)));
    for (const row of cells) this.print(line(row));
  }

  /** @param isJson says it for programs: one JSON object on standard error. */
  fail(error: CliError, isJson: boolean): void {
    if (isJson) {
      const { code, message, remedy } = error;
      this.note(JSON.stringify({ error: { code, message, ...(remedy === undefined ? {} : { remedy }) } }));
      return;
    }
    // Public exception names and HTTP statuses; our own words say no more than the message.
    const code = /Exception$|^HTTP/.test(error.code) ? ` (${error.code})` : "";
    this.note(`${styleText("red", "error:", { stream: this.stderr })} ${error.message}${code}`);
    if (error.remedy !== undefined) this.note(`       ${error.remedy}`);
  }
}
