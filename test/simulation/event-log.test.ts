import { describe, expect, it } from "vitest";
import { EventLog, firstDifference } from "../../src/simulator/event-log.ts";

function logOf(...kinds: string[]): EventLog {
  const log = new EventLog();
  kinds.forEach((kind, i) => {
    log.append(i, { kind });
  });
  return log;
}

describe("firstDifference", () => {
  it("finds none between equal logs", () => {
    expect(firstDifference(logOf("Tick", "InstanceLost"), logOf("Tick", "InstanceLost"))).toBeUndefined();
  });

  it("names the first line that differs, with both", () => {
    const difference = firstDifference(logOf("Tick", "InstanceLost", "Tick"), logOf("Tick", "ContainerReady", "Tick"));
    expect(difference).toMatch(/^line 1:/);
    expect(difference).toMatch(/InstanceLost.*\n.*ContainerReady/);
  });

  it("sees that one log is longer", () => {
    expect(firstDifference(logOf("Tick"), logOf("Tick", "Tick"))).toMatch(/line 1:\n {2}first {3}\(ended\)/);
  });
});
