import { readFileSync } from "node:fs";
import type { Socket } from "node:net";

/** IPv6 sockets reach an IPv4 listener too, and stand in a table of their own. */
const TABLES = ["/proc/net/tcp", "/proc/net/tcp6"];

/**
 * Whether the process at the other end of a loopback connection runs as this host uid, by the
 * kernel's own table of connections (proc(5), /proc/net/tcp). A container's processes have one uid
 * and cannot take another: they have no capabilities, and what is set-uid does not work for them.
 */
export function isPeerOf(socket: Socket, hostUid: number): boolean {
  return uidOfPeer(socket) === hostUid;
}

/** undefined: the peer is already gone, or not of this network namespace. */
function uidOfPeer({ remotePort, localPort }: Socket): number | undefined {
  if (remotePort === undefined || localPort === undefined) return undefined;
  for (const table of TABLES) {
    for (const row of readTable(table).split("\n").slice(1)) {
      // `sl local_address rem_address st tx:rx tr:tm retrnsmt uid …`, addresses as HEX:PORT.
      const columns = row.trim().split(/\s+/);
      if (portOf(columns[1]) === remotePort && portOf(columns[2]) === localPort) return Number(columns[7]);
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

function portOf(address: string | undefined): number {
  return Number.parseInt(address?.slice(address.indexOf(":") + 1) ?? "", 16);
}
