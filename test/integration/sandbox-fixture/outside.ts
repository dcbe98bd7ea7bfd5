import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { runCommand } from "../../../src/host/command.ts";

const HOST_ADDRESS = "198.18.77.1";
export const OUTSIDE_ADDRESS = "198.18.77.2";
export const OUTSIDE_PORT = 8080;
const INTERFACE = "hearth-outside";

const LISTENER = `
  require("net").createServer((socket) => socket.on("error", () => {}).end(socket.remoteAddress)).listen(${OUTSIDE_PORT}, "0.0.0.0");
  console.log("listening");`;

/** A machine beyond the host, played by a network namespace: it answers with the address it sees. */
export async function startOutside(): Promise<{ hostAddress: string; close: () => Promise<void> }> {
  const child = spawn("unshare", ["--net", process.execPath, "-e", LISTENER], { stdio: ["ignore", "pipe", "inherit"] });
  await once(child.stdout, "data");
  const pid = String(child.pid);
  const inside = ["nsenter", `--net=/proc/${pid}/ns/net`, "ip"];
  await runCommand("ip", ["link", "add", INTERFACE, "type", "veth", "peer", "name", "eth0", "netns", pid]);
  await runCommand("ip", ["addr", "add", `${HOST_ADDRESS}/30`, "dev", INTERFACE]);
  await runCommand("ip", ["link", "set", INTERFACE, "up"]);
  await runCommand("nsenter", [...inside.slice(1), "addr", "add", `${OUTSIDE_ADDRESS}/30`, "dev", "eth0"]);
  await runCommand("nsenter", [...inside.slice(1), "link", "set", "eth0", "up"]);
  return { hostAddress: HOST_ADDRESS, close: () => stop(child) };
}

async function stop(child: ChildProcess): Promise<void> {
  child.kill("SIGKILL");
  await once(child, "exit");
  await runCommand("ip", ["link", "del", INTERFACE]).catch(() => {}); // It may be gone with its namespace already.
}
