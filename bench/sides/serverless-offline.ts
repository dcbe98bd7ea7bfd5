import { copyFileSync, symlinkSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import { startServer } from "./server-process.ts";
import { NO_HEADERS, type Side } from "./side.ts";

const NODE_MODULES = join(import.meta.dirname, "../../node_modules");

/** Its handlers run in worker threads; it has no sandbox, no limits and no signatures. */
export async function startServerlessOffline(directory: string): Promise<Side> {
  const [lambdaPort = 0, httpPort, websocketPort] = await freePorts(3);
  copyFileSync(join(import.meta.dirname, "echo.mjs"), join(directory, "echo.mjs"));
  // It looks for its plugin beside the service.
  symlinkSync(NODE_MODULES, join(directory, "node_modules"));
  writeFileSync(
    join(directory, "serverless.yml"),
    `service: bench
provider: { name: aws, runtime: nodejs24.x, region: us-east-1, memorySize: 1769 }
plugins: [serverless-offline]
functions: { echo: { handler: echo.handler } }
custom:
  serverless-offline: { host: 127.0.0.1, lambdaPort: ${lambdaPort}, httpPort: ${httpPort}, websocketPort: ${websocketPort}, noSponsor: true }
`,
  );
  const { stop } = await startServer({
    command: [join(NODE_MODULES, ".bin/osls"), "offline", "start"],
    cwd: directory,
    ready: lambdaPort,
    logPath: join(directory, "serverless-offline.log"),
  });
  const url = new URL(`http://127.0.0.1:${lambdaPort}/2015-03-31/functions/bench-dev-echo/invocations`);
  return { name: "serverless-offline", url, headers: NO_HEADERS, stop };
}

/** Ports that were free a moment ago: it cannot choose its own. */
async function freePorts(count: number): Promise<readonly number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, "127.0.0.1"));
  await Promise.all(servers.map((server) => new Promise((resolve) => server.once("listening", resolve))));
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}
