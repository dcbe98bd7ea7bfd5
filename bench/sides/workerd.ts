import { copyFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { startServer } from "./server-process.ts";
import { NO_HEADERS, type Side } from "./side.ts";

const PROGRAM = join(import.meta.dirname, "../../node_modules/.bin/workerd");

const WORKER = `import { handler } from "./echo.mjs";
export default {
  async fetch(request) {
    const result = await handler(await request.json());
    return new Response(JSON.stringify(result), { headers: { "content-type": "application/json" } });
  },
};
`;

const CONFIG = `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "main", worker = .worker)],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "main")],
);
const worker :Workerd.Worker = (
  modules = [
    (name = "worker.mjs", esModule = embed "worker.mjs"),
    (name = "echo.mjs", esModule = embed "echo.mjs"),
  ],
  compatibilityDate = "2026-01-01",
);
`;

/** The open-source runtime of Cloudflare Workers: V8 isolates in one process, no container. */
export async function startWorkerd(directory: string): Promise<Side> {
  copyFileSync(join(import.meta.dirname, "echo.mjs"), join(directory, "echo.mjs"));
  writeFileSync(join(directory, "worker.mjs"), WORKER);
  writeFileSync(join(directory, "config.capnp"), CONFIG);
  const { said, stop } = await startServer({
    command: [PROGRAM, "serve", "config.capnp", "--control-fd=1"],
    cwd: directory,
    ready: /"event":"listen","socket":"http","port":(\d+)/,
    logPath: join(directory, "workerd.log"),
  });
  return { name: "workerd", url: new URL(`http://127.0.0.1:${said}/`), headers: NO_HEADERS, stop };
}
