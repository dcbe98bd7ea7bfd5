import { expect, test } from "vitest";
import type { ContainerId, FunctionKey } from "../model/ids.ts";
import type { Assignment } from "../protocol/agent-protocol.ts";
import { containerReport } from "./container-report.ts";

const CONTAINER = { id: "c-1" as ContainerId, runtime: "nodejs24.x" } as const;

test("a later server is told where the container logs to", () => {
  const logs = { logGroup: "/my/group", logStream: "2026/11/30/f[7]aa" };
  const assignment = { functionKey: "000000000001/f/7/b" as FunctionKey, memoryMiB: 128, ...logs } as Assignment;
  expect(containerReport(CONTAINER, assignment, false, undefined)).toMatchObject({ state: "idle", ...logs });
  expect(containerReport(CONTAINER, undefined, false, undefined)).toEqual({
    state: "blank",
    containerId: "c-1",
    runtime: "nodejs24.x",
  });
});
