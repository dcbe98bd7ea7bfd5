import { join } from "node:path";
import { startServer } from "./server-process.ts";
import { NO_HEADERS, type Side } from "./side.ts";

/** The handler in a bare `node:http` server: nothing that runs functions apart from callers can be faster. */
export async function startBare(directory: string): Promise<Side> {
  const { said, stop } = await startServer({
    command: [process.execPath, join(import.meta.dirname, "bare-server.mjs")],
    cwd: directory,
    ready: /ready (\d+)/,
    logPath: join(directory, "bare.log"),
  });
  return { name: "bare node:http", url: new URL(`http://127.0.0.1:${said}/`), headers: NO_HEADERS, stop };
}
