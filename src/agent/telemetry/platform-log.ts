import type { Assignment } from "../../protocol/agent-protocol.ts";
import { platformLine } from "../../protocol/platform-line.ts";
import type { FunctionLog } from "../function-log.ts";
import type { PhaseEnd } from "./lifecycle-records.ts";

const LEVELS = ["DEBUG", "INFO", "WARN"] as const;
type Level = (typeof LEVELS)[number];

type LogSettings = Pick<Assignment, "logFormat" | "systemLogLevel">;

/** What a record may say that the log goes by. */
type Told = Partial<PhaseEnd> & {
  readonly phase?: string;
  readonly initializationType?: string;
  readonly metrics?: { readonly durationMs: number };
  readonly name?: string;
  readonly state?: string;
  readonly events?: readonly string[];
};

/**
 * What a function's log holds of its container's records, in the form that its settings name. The lines before an init
 * and around an execution (INIT_START, START, END, REPORT) are the server's, which knows more of them.
 */
export class PlatformLog {
  readonly #log: Pick<FunctionLog, "writeLine" | "writeLastLine">;
  readonly #settings: LogSettings;

  constructor(log: Pick<FunctionLog, "writeLine" | "writeLastLine">, settings: LogSettings) {
    this.#log = log;
    this.#settings = settings;
  }

  /** Whether something is said of executions, too, and not only of inits. */
  get tellsExecutions(): boolean {
    return this.#settings.logFormat === "JSON";
  }

  /** @param event without `platform.` before it. */
  tell(event: string, record: object): void {
    const text = this.#settings.logFormat === "JSON" ? this.#json(event, record) : textOf(event, record);
    if (text === undefined) return;
    // The runtime is done when it answers; what it wrote before may not be read yet.
    if (event === "runtimeDone") this.#log.writeLastLine(Buffer.from(text));
    else this.#log.writeLine(Buffer.from(text));
  }

  #json(event: string, record: object): string | undefined {
    const level = levelOf(event, record);
    const { systemLogLevel = "INFO" } = this.#settings;
    if (level === undefined || LEVELS.indexOf(level) < LEVELS.indexOf(systemLogLevel)) return undefined;
    // Lambda's logs leave it out of the records that its telemetry has it in.
    return platformLine(`platform.${event}`, { ...record, tracing: undefined });
  }
}

/** AWS documentation, "Log-level filtering", the mapping of system log events. undefined: not the agent's to log. */
function levelOf(event: string, { status, errorType, initializationType }: Told): Level | undefined {
  switch (event) {
    case "initRuntimeDone":
    case "runtimeDone":
      return status === "success" ? "DEBUG" : "WARN";
    case "initReport":
      if (status !== "success") return "WARN";
      return initializationType === "on-demand" ? "DEBUG" : "INFO";
    case "extension":
      return errorType === undefined ? "INFO" : "WARN";
    default:
      return undefined;
  }
}

function textOf(event: string, record: Told): string | undefined {
  if (event === "initReport") return initReport(record);
  return event === "extension" ? extensionLine(record) : undefined;
}

/** Only of an init that failed, and not of one that the agent could not do. */
function initReport({ phase, status, errorType, metrics }: Told): string | undefined {
  if (status !== "timeout" && status !== "error") return undefined;
  const figures = `INIT_REPORT Init Duration: ${metrics?.durationMs.toFixed(2)} ms\tPhase: ${phase}\tStatus: ${status}`;
  return errorType === undefined ? `${figures}\n` : `${figures}\tError Type: ${errorType}\n`;
}

function extensionLine({ name, state, events = [], errorType }: Told): string {
  const error = errorType === undefined ? "" : `\tError Type: ${errorType}`;
  return `EXTENSION\tName: ${name}\tState: ${state}\tEvents: [${events.join(",")}]${error}\n`;
}
