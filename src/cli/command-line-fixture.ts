import { PassThrough, Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { runCli } from "./cli.ts";
import type { Verbs } from "./cli-context.ts";
import { Terminal } from "./terminal.ts";

export type CommandResult = { readonly exitCode: number; readonly out: string; readonly err: string };

/** Runs a command that talks to a server and uses none of the verbs that start something. */
export async function runCommandLine(
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  stdin = "",
): Promise<CommandResult> {
  const stdout = new PassThrough();
  const stderr = new PassThrough();
  const exitCode = await runCli(args, {
    env,
    stdin: Readable.from(stdin === "" ? [] : [Buffer.from(stdin)]),
    version: "1",
    terminal: new Terminal(stdout as unknown as NodeJS.WriteStream, stderr as unknown as NodeJS.WriteStream),
    verbs: {} as Verbs,
  });
  stdout.end();
  stderr.end();
  return { exitCode, out: await text(stdout), err: await text(stderr) };
}
