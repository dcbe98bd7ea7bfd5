import { readFileSync } from "node:fs";
import { usageError } from "./cli-error.ts";

/** What RFC 6750 allows in a header; shorter ones can be guessed. */
const TOKEN = /^[A-Za-z0-9._~+/-]{16,1024}={0,2}$/;

/**
 * The secret that the file holds which an option names; blanks and the line's end around it do not count, as for Prometheus.
 * A file, because other users of a machine see command lines.
 *
 * @returns undefined: no file is named. @throws CliError, without what the file holds.
 */
export function metricsTokenIn({ text: path, from }: { readonly text: string; readonly from: string }) {
  if (path === "") return undefined;
  let token: string;
  try {
    token = readFileSync(path, "utf8").trim();
  } catch (error) {
    throw usageError(`${from} ${path}: ${(error as Error).message}`, "name a file that can be read");
  }
  if (TOKEN.test(token)) return token;
  throw usageError(
    `${from} ${path} holds no token`,
    "write one into it, 16 to 1024 letters, digits or . _ ~ + / -, as `openssl rand -hex 32` prints it",
  );
}
