/** Exit codes of `hearth`, as its help names them. */
export const EXIT_OK = 0;
export const EXIT_FAILED = 1;
export const EXIT_USAGE = 2;
export const EXIT_FUNCTION_ERROR = 3;

/** A failure to tell the user: what went wrong, named, and what to do about it. */
export class CliError extends Error {
  /** Public exception name of the server's answer, or a word of our own. */
  readonly code: string;
  readonly remedy: string | undefined;
  readonly exitCode: number;

  constructor(message: string, options: { code?: string; remedy?: string; exitCode?: number; cause?: unknown } = {}) {
    super(message, { cause: options.cause });
    this.name = "CliError";
    this.code = options.code ?? "Failed";
    this.remedy = options.remedy;
    this.exitCode = options.exitCode ?? EXIT_FAILED;
  }
}

/** The command line asks for something that cannot be. */
export function usageError(message: string, remedy: string): CliError {
  return new CliError(message, { code: "Usage", remedy, exitCode: EXIT_USAGE });
}
