import { closeSync, openSync, readSync, writeSync } from "node:fs";

/** Large enough for memory.stat of both cgroup versions. */
const BUFFER_BYTES = 8192;
const buffer = Buffer.alloc(BUFFER_BYTES);
const DIGIT_0 = 48;
const DIGIT_9 = 57;

/**
 * A file of the kernel (cgroup, proc) that is read or written often: kept open, read from its
 * beginning each time, parsed without making strings.
 */
export class KernelFile {
  readonly #fd: number;

  constructor(path: string, mode: "r" | "r+" | "w") {
    this.#fd = openSync(path, mode);
  }

  /** The first number in the file. */
  readNumber(): number {
    return numberAt(0, this.#read());
  }

  /** The number after `key`, which ends in a space; 0 if the key is not there. The key must start a line. */
  readNumberAfter(key: string): number {
    return findNumber(key, this.#read());
  }

  /** Likewise of several keys, from one reading. */
  readNumbersAfter<const Keys extends readonly string[]>(keys: Keys): { [key in keyof Keys]: number } {
    const length = this.#read();
    return keys.map((key) => findNumber(key, length)) as { [key in keyof Keys]: number };
  }

  /** The number after the first place where this text stands; 0 if it does not. */
  readNumberBehind(text: string): number {
    const length = this.#read();
    const at = buffer.indexOf(text, 0, "latin1");
    return at < 0 || at >= length ? 0 : numberAt(at + text.length, length);
  }

  /** The sum of the numbers after the keys. */
  readSum(keys: readonly string[]): number {
    const length = this.#read();
    let sum = 0;
    for (const key of keys) sum += findNumber(key, length);
    return sum;
  }

  write(bytes: Uint8Array): void {
    writeSync(this.#fd, bytes, 0, bytes.length, 0);
  }

  close(): void {
    closeSync(this.#fd);
  }

  #read(): number {
    return readSync(this.#fd, buffer, 0, BUFFER_BYTES, 0);
  }
}

function findNumber(key: string, length: number): number {
  let at = buffer.indexOf(key, 0, "latin1");
  while (at > 0 && buffer[at - 1] !== 10) at = buffer.indexOf(key, at + 1, "latin1");
  return at < 0 || at >= length ? 0 : numberAt(at + key.length, length);
}

function numberAt(start: number, length: number): number {
  let value = 0;
  let isInNumber = false;
  for (let at = start; at < length; at += 1) {
    const byte = buffer[at] as number;
    if (byte >= DIGIT_0 && byte <= DIGIT_9) {
      value = value * 10 + (byte - DIGIT_0);
      isInNumber = true;
    } else if (isInNumber) break;
  }
  return value;
}
