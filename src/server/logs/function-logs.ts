import { createHash, randomBytes } from "node:crypto";
import type { FunctionVersion } from "../../model/function-version.ts";
import type { AccountId, ContainerId, FunctionKey, InstanceId } from "../../model/ids.ts";
import type { InstanceReport } from "../../model/instance.ts";
import type { Clock } from "../../ports/clock.ts";
import { type LogGroups, logNameOf, ownGroupOf } from "../../ports/log-groups.ts";
import type { LogStore } from "../../ports/log-store.ts";
import { functionOfLogStream, logStreamName } from "../../protocol/log-stream.ts";
import type { InitializationType } from "../../protocol/runtime-version.ts";
import { initStartLine, type LogTail } from "../execution-log.ts";

export type FunctionLogsOptions = {
  readonly logs: Pick<LogStore, "append">;
  readonly groups: Pick<LogGroups, "begin">;
  readonly clock: Clock;
  /** That ARNs name. */
  readonly region: string;
};

/** Who writes where. */
type Writer = {
  readonly accountId: AccountId;
  readonly functionName: string;
  /** `$LATEST` or a number as text. */
  readonly version: string;
  readonly logGroup: string;
};

/** What a container writes to, from its function's init to its end. */
type Stream = {
  readonly accountId: AccountId;
  readonly logName: string;
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
    const writer = writerOf(version.key, version.logGroup);
    groups.begin(writer.accountId, writer.logGroup, writer.functionName);
    const logStream = streamNameOf(writer, randomBytes(16).toString("hex"), clock.nowMs());
    this.#add(instanceId, containerId, streamOf(writer, logStream));
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
      const { containerId, functionKey, logGroup, logStream } = container;
      const writer = writerOf(functionKey, logGroup);
      this.#options.groups.begin(writer.accountId, writer.logGroup, writer.functionName);
      // One that names another function would have its lines taken for that function's.
      const isOwn = logStream !== undefined && functionOfLogStream(logStream) === namedIn(writer);
      this.#add(instanceId, containerId, isOwn ? streamOf(writer, logStream) : this.#unknown(containerId, writer));
    }
  }

  /** Writes lines of the platform, which begin a line of their own. @param text empty: the function wants none of them. */
  platform(instanceId: InstanceId, containerId: ContainerId, version: FunctionVersion, text: string): void {
    if (text === "") return;
    const stream = this.#stream(instanceId, containerId, version.key, version.logGroup);
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

  #append({ accountId, logName, name }: Stream, text: string | Buffer): void {
    this.#options.logs.append(accountId, logName, name, text);
  }

  #stream(instanceId: InstanceId, containerId: ContainerId, functionKey: FunctionKey, logGroup?: string): Stream {
    const known = this.#streams.get(instanceId)?.get(containerId);
    return known ?? this.#unknown(containerId, writerOf(functionKey, logGroup));
  }

  #add(instanceId: InstanceId, containerId: ContainerId, stream: Stream): void {
    const streams = this.#streams.get(instanceId) ?? new Map<ContainerId, Stream>();
    this.#streams.set(instanceId, streams.set(containerId, stream));
  }

  /** Of a container whose agent is of a version that does not tell it: the same name at each time of a day. */
  #unknown(containerId: ContainerId, writer: Writer): Stream {
    const hex = createHash("sha256").update(containerId).digest("hex").slice(0, 32);
    return streamOf(writer, streamNameOf(writer, hex, this.#options.clock.nowMs()));
  }
}

function writerOf(functionKey: FunctionKey, logGroup: string | undefined): Writer {
  const [accountId = "", functionName = "", version = "$LATEST"] = functionKey.split("/");
  const group = logGroup ?? ownGroupOf(functionName);
  return { accountId: accountId as AccountId, functionName, version, logGroup: group };
}

/** The function as its streams name it. undefined: they need not, in its own group. */
function namedIn({ functionName, logGroup }: Writer): string | undefined {
  return logGroup === ownGroupOf(functionName) ? undefined : functionName;
}

function streamNameOf(writer: Writer, hex: string, nowMs: number): string {
  return logStreamName(writer.version, hex, nowMs, namedIn(writer));
}

function streamOf({ accountId, logGroup }: Writer, name: string): Stream {
  return { accountId, logName: logNameOf(logGroup), name, isLineOpen: false };
}
