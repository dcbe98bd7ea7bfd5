import { createHash, randomBytes } from "node:crypto";
import type { FunctionVersion } from "../../model/function-version.ts";
import type { AccountId, ContainerId, FunctionKey, InstanceId } from "../../model/ids.ts";
import type { InstanceReport } from "../../model/instance.ts";
import type { Clock } from "../../ports/clock.ts";
import type { LogGroups } from "../../ports/log-groups.ts";
import type { LogStore } from "../../ports/log-store.ts";
import { logStreamName } from "../../protocol/log-stream.ts";
import type { InitializationType } from "../../protocol/runtime-version.ts";
import { initStartLine, type LogTail } from "../execution-log.ts";

export type FunctionLogsOptions = {
  readonly logs: Pick<LogStore, "append">;
  readonly groups: Pick<LogGroups, "begin">;
  readonly clock: Clock;
  /** That ARNs name. */
  readonly region: string;
};

/** What a container writes to, from its function's init to its end. */
type Stream = {
  readonly accountId: AccountId;
  readonly functionName: string;
  readonly name: string;
  /** What it wrote last was no whole line. */
  isLineOpen: boolean;
};

const NEWLINE = 0x0a;

/** Gives each container that becomes a function's a log stream, and writes to it. */
export class FunctionLogs {
  readonly #options: FunctionLogsOptions;
  readonly #streams = new Map<InstanceId, Map<ContainerId, Stream>>();

  constructor(options: FunctionLogsOptions) {
    this.#options = options;
  }

  /**
   * The function's init begins.
   *
   * @param tail of the call that it is for, if it wants one.
   * @returns the name of the container's new stream, which the function is told.
   */
  begin(
    instanceId: InstanceId,
    containerId: ContainerId,
    version: FunctionVersion,
    initializationType: InitializationType,
    tail?: Pick<LogTail, "append">,
  ): string {
    const { groups, clock, region } = this.#options;
    groups.begin(version.accountId, version.name);
    const logStream = logStreamName(version.version, randomBytes(16).toString("hex"), clock.nowMs());
    this.#add(instanceId, containerId, streamOf(version.key, logStream));
    const line = initStartLine(version, { region, logStream, initializationType });
    this.platform(instanceId, containerId, version, line);
    // As in Lambda's answers: their log tails have it as a record, and not as text.
    if (version.logFormat === "JSON" && line !== "") tail?.append(Buffer.from(line));
    return logStream;
  }

  /** An agent of an earlier server joined, or one of this server again. */
  adopt({ instanceId, containers }: InstanceReport): void {
    for (const container of containers) {
      if (container.state === "blank" || this.#streams.get(instanceId)?.has(container.containerId)) continue;
      const { containerId, functionKey, logStream } = container;
      const stream =
        logStream === undefined ? this.#unknown(containerId, functionKey) : streamOf(functionKey, logStream);
      this.#options.groups.begin(stream.accountId, stream.functionName);
      this.#add(instanceId, containerId, stream);
    }
  }

  /** Writes lines of the platform, which begin a line of their own. @param text empty: the function wants none of them. */
  platform(instanceId: InstanceId, containerId: ContainerId, { key }: FunctionVersion, text: string): void {
    if (text === "") return;
    const stream = this.#stream(instanceId, containerId, key);
    this.#append(stream, stream.isLineOpen ? `\n${text}` : text);
    stream.isLineOpen = false;
  }

  /** Writes what the function wrote, any part of a line. */
  write(instanceId: InstanceId, containerId: ContainerId, functionKey: FunctionKey, text: Buffer): void {
    const stream = this.#stream(instanceId, containerId, functionKey);
    this.#append(stream, text);
    stream.isLineOpen = text[text.length - 1] !== NEWLINE;
  }

  containerGone(instanceId: InstanceId, containerId: ContainerId): void {
    this.#streams.get(instanceId)?.delete(containerId);
  }

  instanceGone(instanceId: InstanceId): void {
    this.#streams.delete(instanceId);
  }

  #append({ accountId, functionName, name }: Stream, text: string | Buffer): void {
    this.#options.logs.append(accountId, functionName, name, text);
  }

  #stream(instanceId: InstanceId, containerId: ContainerId, functionKey: FunctionKey): Stream {
    return this.#streams.get(instanceId)?.get(containerId) ?? this.#unknown(containerId, functionKey);
  }

  #add(instanceId: InstanceId, containerId: ContainerId, stream: Stream): void {
    const streams = this.#streams.get(instanceId) ?? new Map<ContainerId, Stream>();
    this.#streams.set(instanceId, streams.set(containerId, stream));
  }

  /** Of a container whose agent is of a version that does not tell it: the same name at each time of a day. */
  #unknown(containerId: ContainerId, functionKey: FunctionKey): Stream {
    const hex = createHash("sha256").update(containerId).digest("hex").slice(0, 32);
    const [, , version = "$LATEST"] = functionKey.split("/");
    return streamOf(functionKey, logStreamName(version, hex, this.#options.clock.nowMs()));
  }
}

function streamOf(functionKey: FunctionKey, name: string): Stream {
  const [accountId = "", functionName = ""] = functionKey.split("/");
  return { accountId: accountId as AccountId, functionName, name, isLineOpen: false };
}
