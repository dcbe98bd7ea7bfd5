import type { ContainerId } from "../model/ids.ts";
import type { AgentLog } from "./agent-log.ts";
import type { ContainerBackend } from "./container-backend.ts";
import type { InitLimits } from "./container-state.ts";
import type { RunOrder, RunResult } from "./run-result.ts";
import type { SpareEndpoint } from "./spare-endpoint.ts";

/** What a container needs of the agent around it. */
export type ContainerWorld = InitLimits & {
  readonly backend: ContainerBackend;
  readonly log: AgentLog;
  readonly spareEndpoint: Pick<SpareEndpoint, "take">;
  freezeAfterMs(): number;
  blankMemoryMiB(): number;
  /** @param memoryBytes that it holds; undefined: cannot tell. */
  onReady(containerId: ContainerId, startMs: number, memoryBytes: number | undefined): void;
  onPrewarmed(containerId: ContainerId, initUs: number): void;
  /** The init that came before the execution is over. */
  onBegun(order: RunOrder): void;
  onChunk(order: RunOrder, bytes: Buffer, contentType: string | undefined): void;
  onResized(containerId: ContainerId, memoryMiB: number): void;
  onFinished(order: RunOrder, result: RunResult, payload: Buffer): void;
  onGone(containerId: ContainerId, reason: string): void;
};
