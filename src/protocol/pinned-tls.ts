import { connect, type SecureContextOptions, type TLSSocket } from "node:tls";
import { type PinnedKey, pinOf } from "./pinned-key.ts";

/** What TLS is made of at both ends. Sessions are not resumed: every connection proves its key. */
export function tlsIdentity(key: PinnedKey): SecureContextOptions {
  return { key: key.privateKeyPem, cert: key.certificatePem, minVersion: "TLSv1.3" };
}

/** The peer proved another key than the one that was expected; nothing was said to it. */
export class WrongServerKeyError extends Error {}

/** Where a server is, and the pin of its key. */
export type PinnedServer = { readonly host: string; readonly port: number; readonly keySha256: string };

/**
 * Connects and checks who answers. The socket is paused: nothing is lost before it is listened to.
 * @throws WrongServerKeyError; Error when there is no connection within `timeoutMs`.
 */
export function dialPinned(server: PinnedServer, key: PinnedKey, timeoutMs: number): Promise<TLSSocket> {
  const { host, port, keySha256 } = server;
  return new Promise((resolve, reject) => {
    // The pin is checked instead of a chain and a name.
    const socket = connect({ host, port, ...tlsIdentity(key), rejectUnauthorized: false });
    const fail = (error: Error) => {
      clearTimeout(timer);
      socket.destroy();
      reject(error);
    };
    const timer = setTimeout(() => fail(new Error(`no connection within ${timeoutMs} ms`)), timeoutMs);
    socket.on("error", fail);
    socket.once("close", () => fail(new Error("the connection was closed during the handshake")));
    socket.once("secureConnect", () => {
      if (pinOfPeer(socket) !== keySha256) {
        return fail(new WrongServerKeyError(`the server at ${host}:${port} has another key than the one expected`));
      }
      clearTimeout(timer);
      socket.removeAllListeners("error").removeAllListeners("close");
      // Its end is told by `close`; an error between now and the first listener must not end the process.
      socket.on("error", () => {});
      keepAwake(socket);
      socket.pause();
      resolve(socket);
    });
  });
}

/** The pin that the peer proved in the handshake; undefined: it showed none, or one of a kind that nobody can read. */
export function pinOfPeer(socket: TLSSocket): string | undefined {
  try {
    const certificate = socket.getPeerX509Certificate();
    return certificate === undefined ? undefined : pinOf(certificate);
  } catch {
    return undefined; // A stranger's certificate must not end the process.
  }
}

const KEEP_ALIVE_MS = 15_000;

/** Frames are small and somebody waits for each; and a path that drops idle connections is kept open. */
export function keepAwake(socket: TLSSocket): void {
  socket.setNoDelay(true);
  socket.setKeepAlive(true, KEEP_ALIVE_MS);
}
