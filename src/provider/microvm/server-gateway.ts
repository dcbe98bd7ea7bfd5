import { once } from "node:events";
import { rmSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import type { Log } from "../../ports/log.ts";

/** Each guest has a control link, an agent, and fetches of code. */
const CONNECTIONS_MAX = 1024;

/**
 * The host's end of what guests send to their gateway: a unix socket, so that it can be reached from QEMU's network
 * namespace and by nobody else, whose connections go on to the server's remote endpoint. What passes is TLS
 * between the guest and that endpoint.
 */
export class ServerGateway {
  readonly #path: string;
  readonly #target: () => { readonly host: string; readonly port: number } | undefined;
  readonly #log: Pick<Log, "warn">;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  /** @param target undefined while the endpoint does not listen; guests try again. */
  constructor(
    path: string,
    target: () => { readonly host: string; readonly port: number } | undefined,
    log: Pick<Log, "warn">,
  ) {
    this.#path = path;
    this.#target = target;
    this.#log = log;
    this.#server = createServer({ allowHalfOpen: true }, (guest) => this.#passOn(guest));
    this.#server.maxConnections = CONNECTIONS_MAX;
  }

  /** Replaces the socket of an earlier server. @throws Error naming the path. */
  async listen(): Promise<void> {
    rmSync(this.#path, { force: true });
    await once(this.#server.listen(this.#path), "listening");
    this.#server.on("error", (error) => this.#log.warn({ error }, "a machine's connection could not be accepted"));
    this.#server.unref();
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const socket of this.#sockets) socket.destroy();
    if (this.#server.listening) await closed;
  }

  #passOn(guest: Socket): void {
    const target = this.#target();
    if (target === undefined) return void guest.destroy();
    const endpoint = connect({ ...target, allowHalfOpen: true, noDelay: true });
    this.#join(guest, endpoint);
    this.#join(endpoint, guest);
  }

  #join(from: Socket, to: Socket): void {
    this.#sockets.add(from);
    from.on("error", () => {}); // `close` follows.
    from.once("close", () => {
      this.#sockets.delete(from);
      to.destroySoon();
    });
    from.pipe(to);
  }
}
