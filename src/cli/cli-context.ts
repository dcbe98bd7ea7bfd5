import type { Readable } from "node:stream";
import type { ServerFlags } from "./cli-command.ts";
import { connectionFrom, type Environment } from "./connection.ts";
import { ServerClient } from "./server-client.ts";
import type { Terminal } from "./terminal.ts";
import type { UpOptions } from "./up-options.ts";

/** Of the host agent's configuration what the command line sets; checked by the verb. */
export type HostAgentInput = {
  readonly server: string;
  readonly token?: string;
  readonly dataDir: string;
  readonly name?: string;
  readonly zone?: string;
  readonly provider?: string;
  readonly memoryMiB?: number;
  readonly cpuMilli?: number;
  readonly network: boolean;
  readonly logLevel?: string;
};

/** What `hearth image build` was asked for. */
export type ImageOrder = {
  readonly dataDir: string;
  /** Ask apt for newer packages. */
  readonly isRefreshed: boolean;
  /** Told of each step that takes a while. */
  onStep(text: string): void;
};

/** The image that virtual machines boot. */
export type BuiltImage = {
  /** False: it was there, made of the same. */
  readonly isNew: boolean;
  readonly directory: string;
  readonly manifest: {
    readonly suite: string;
    readonly kernelRelease: string;
    readonly packages: readonly string[];
    /** What there is of each Python runtime. */
    readonly pythons: Readonly<Record<string, string>>;
    readonly files: Readonly<Record<string, { readonly sha256: string; readonly bytes: number }>>;
  };
};

/** The verbs that run in this process instead of talking to a server; main.ts gives them. */
export type Verbs = {
  /** Serves until it is told to end. @throws HearthError when it cannot. */
  up(options: UpOptions): Promise<void>;
  /** Makes this machine a host. @returns why it ended by itself; undefined: it was told to. @throws HearthError, Error. */
  agent(input: HostAgentInput): Promise<{ readonly kind: string; readonly reason: string } | undefined>;
  /** @throws HearthError PROVIDER_UNAVAILABLE, Error. */
  buildImage(order: ImageOrder): Promise<BuiltImage>;
  /** @returns the exit code. */
  simulate(args: readonly string[]): Promise<number>;
};

/** What a command runs with. */
export type CliContext = {
  readonly env: Environment;
  readonly terminal: Terminal;
  readonly stdin: Readable;
  readonly verbs: Verbs;
  readonly version: string;
  /** The exit code, where a command that did its work has one of its own. */
  exitCode: number;
};

export function serverOf(context: CliContext, flags: ServerFlags): ServerClient {
  return new ServerClient(connectionFrom(flags.server, context.env));
}
