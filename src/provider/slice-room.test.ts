import { describe, expect, test } from "vitest";
import { checkRoom } from "./slice-room.ts";

const HOST = { memoryMiB: 4096, cpuMilli: 2000 };
const HALF = { memoryMiB: 2048, cpuMilli: 2000 };

describe("a host has room for slices", () => {
  test("until its memory is given out, to the last MiB; processors are shared", () => {
    checkRoom(HOST, [], HOST);
    checkRoom(HALF, [HALF], HOST);
    expect(() => checkRoom({ memoryMiB: 1, cpuMilli: 1 }, [HALF, HALF], HOST)).toThrow("1 MiB beside 4096 of 4096 MiB");
  });

  test("that it could hold at all", () => {
    const refusalOf = (memoryMiB: number, cpuMilli: number) => {
      try {
        return checkRoom({ memoryMiB, cpuMilli }, [], HOST);
      } catch (error) {
        return (error as { code?: string }).code;
      }
    };
    expect(refusalOf(4097, 1)).toBe("INSUFFICIENT_CAPACITY");
    expect(refusalOf(1, 2001)).toBe("INSUFFICIENT_CAPACITY");
    for (const wrong of [0, -1, Number.NaN]) {
      expect(refusalOf(wrong, 1)).toBe("LAUNCH_FAILED");
      expect(refusalOf(1, wrong)).toBe("LAUNCH_FAILED");
    }
  });
});
