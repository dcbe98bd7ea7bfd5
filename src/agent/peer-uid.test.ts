import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { connect, createServer, type Server, type Socket, type TcpNetConnectOpts } from "node:net";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { skipUnless } from "../../test/skip.ts";
import { isPeerOf } from "./peer-uid.ts";

const OTHER_UID = 54_321;
const isRoot = process.platform === "linux" && process.getuid?.() === 0;
const ourUid = process.getuid?.() ?? 0;

/** A connection made by a process of another user: options of `net.connect` are its argument. */
const DIAL = `require("net").connect(JSON.parse(process.argv[1]));`;

describe("whose connection it is", skipUnless(isRoot, "needs Linux and root"), () => {
  let server: Server;
  let port: number;
  const clients: Socket[] = [];
  const children: ChildProcess[] = [];

  beforeEach(async () => {
    server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    port = (server.address() as { port: number }).port;
  });

  afterEach(async () => {
    for (const client of clients.splice(0)) client.destroy();
    for (const child of children.splice(0)) child.kill("SIGKILL");
    await new Promise((resolve) => server.close(resolve));
  });

  /** @returns the server's end of a connection from this process. */
  async function dial(options: Partial<TcpNetConnectOpts> = {}): Promise<Socket> {
    clients.push(connect({ host: "127.0.0.1", port, ...options }));
    const [socket] = (await once(server, "connection")) as [Socket];
    clients.push(socket);
    return socket;
  }

  /** @returns the server's end of a connection from a process of another user. */
  async function dialAsOther(options: Partial<TcpNetConnectOpts> = {}): Promise<Socket> {
    const text = JSON.stringify({ host: "127.0.0.1", port, ...options });
    children.push(spawn(process.execPath, ["-e", DIAL, text], { uid: OTHER_UID, stdio: "ignore" }));
    const [socket] = (await once(server, "connection")) as [Socket];
    clients.push(socket.on("error", () => {}));
    return socket;
  }

  test("is told by the uid at its other end", async () => {
    const ours = await dial();
    expect(isPeerOf(ours, ourUid)).toBe(true);
    expect(isPeerOf(ours, ourUid + 1)).toBe(false);
    const theirs = await dialAsOther();
    expect(isPeerOf(theirs, ourUid)).toBe(false);
    expect(isPeerOf(theirs, OTHER_UID)).toBe(true);
    expect(isPeerOf(theirs, OTHER_UID - 1)).toBe(false);
  });

  test("is told for an IPv6 socket too", async () => {
    expect(isPeerOf(await dial({ host: "::ffff:127.0.0.1" }), ourUid)).toBe(true);
  });

  test("is not taken for another's that has the same port at another address", async () => {
    const ours = await dial();
    const theirs = await dialAsOther({ localAddress: "127.0.0.2", localPort: ours.remotePort as number });
    expect(theirs.remotePort).toBe(ours.remotePort);
    expect(isPeerOf(theirs, ourUid)).toBe(false);
    expect(isPeerOf(ours, ourUid)).toBe(true);
  });

  test("is nobody's from another address than 127.0.0.1", async () => {
    expect(isPeerOf(await dial({ localAddress: "127.0.0.2" }), ourUid)).toBe(false);
  });
});
