import { readFileSync } from "node:fs";
import type { Socket } from "node:net";

const LOOPBACK = "127.0.0.1";
/**
 * The kernel's tables of connections (proc(5), /proc/net/tcp), and 127.0.0.1 as they print it: a
 * number of this (little-endian) machine. An IPv6 socket reaches an IPv4 listener too, as
 * ::ffff:127.0.0.1, and stands in a table of its own.
 */
const TABLES = [
  { path: "/proc/net/tcp", loopback: "0100007F" },
  { path: "/proc/net/tcp6", loopback: "0000000000000000FFFF00000100007F" },
];

/**
 * Whether the process at the other end of a connection runs as this host uid. A container's
 * processes have one uid and cannot take another: they have no capabilities, and what is set-uid
 * does not work for them. Peers that do not come from 127.0.0.1 are refused: from another loopback
 * address anybody can use the port number of somebody else's connection.
 */
export function isPeerOf(socket: Socket, hostUid: number): boolean {
  return uidOfPeer(socket) === hostUid;
}

/** undefined: the peer is already gone, not on 127.0.0.1, or not of this network namespace. */
function uidOfPeer({ remoteAddress, remotePort, localAddress, localPort }: Socket): number | undefined {
  if (remoteAddress !== LOOPBACK || localAddress !== LOOPBACK) return undefined;
  if (remotePort === undefined || localPort === undefined) return undefined;
  for (const { path, loopback } of TABLES) {
    const peer = `${loopback}:${portText(remotePort)}`;
    const ours = `${loopback}:${portText(localPort)}`;
    for (const row of readTable(path).split("\n").slice(1)) {
      // `sl local_address rem_address st tx:rx tr:tm retrnsmt uid …`: the row that the peer's end has.
      const columns = row.trim().split(/\s+/);
      if (columns[1] === peer && columns[2] === ours) return Number(columns[7]);
    }
  }
  return undefined;
}

function readTable(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch {
    // A kernel without IPv6 has no such table.
    return "";
  }
}

function portText(port: number): string {
  return port.toString(16).toUpperCase().padStart(4, "0");
}
