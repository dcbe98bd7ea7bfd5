import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { isPeerOf } from "./peer-uid.ts";

/** AWS's runtime clients send up to 1 MiB of `Lambda-Runtime-Function-XRay-Error-Cause`; Lambda takes 4 KiB beside it. */
const HEADER_BYTES_MAX = 1024 * 1024 + 4 * 1024;
/** A runtime needs one or two, an extension about as many; more than these are refused. */
const CONNECTIONS_MAX = 64;

export type RequestHandler = (request: IncomingMessage, response: ServerResponse) => void;

/**
 * Where the processes of one container reach the platform over HTTP: what `AWS_LAMBDA_RUNTIME_API` names. It listens on
 * loopback as soon as it is made, and hangs up on everybody until it is told whom it serves.
 */
export class ContainerEndpoint {
  readonly #server: Server;
  #handler: RequestHandler | undefined;
  /** undefined: any local process may connect. */
  #hostUid: number | undefined;

  private constructor() {
    this.#server = createServer(
      // An idle bootstrap waits in `next` for hours, so nothing here times out: the agent ends what is late.
      { keepAliveTimeout: 0, requestTimeout: 0, headersTimeout: 0, maxHeaderSize: HEADER_BYTES_MAX },
      (request, response) => this.#handler?.(request, response),
    );
    this.#server.on("clientError", (error: NodeJS.ErrnoException, socket: Socket) => refuseBroken(error, socket));
    this.#server.maxConnections = CONNECTIONS_MAX;
    this.#server.on("connection", (socket: Socket) => {
      const isWelcome = this.#handler !== undefined && (this.#hostUid === undefined || isPeerOf(socket, this.#hostUid));
      if (!isWelcome) socket.destroy();
    });
  }

  /** @throws Error when no port can be opened. */
  static async open(): Promise<ContainerEndpoint> {
    const endpoint = new ContainerEndpoint();
    await new Promise<void>((resolve, reject) => {
      endpoint.#server.once("error", reject);
      endpoint.#server.listen(0, "127.0.0.1", resolve);
    });
    return endpoint;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** @param hostUid of the container's processes: only they may connect. undefined: any local process may. */
  serve(hostUid: number | undefined, handler: RequestHandler): void {
    this.#hostUid = hostUid;
    this.#handler = handler;
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#server.close(() => resolve());
      this.#server.closeAllConnections();
    });
  }
}

/** Bytes that are no request; somebody who only stopped sending can still be told so. */
function refuseBroken({ code }: NodeJS.ErrnoException, socket: Socket): void {
  if (!socket.writable) return void socket.destroy();
  const isTooLong = code === "HPE_HEADER_OVERFLOW";
  const body = JSON.stringify(
    code === "HPE_INVALID_EOF_STATE"
      ? { errorMessage: "HTTP request detected as truncated", errorType: "TruncatedHTTPRequest" }
      : { errorMessage: "Bad request", errorType: "BadRequest" },
  );
  const status = isTooLong ? "431 Request Header Fields Too Large" : "400 Bad Request";
  const head = `HTTP/1.1 ${status}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}`;
  socket.end(`${head}\r\nConnection: close\r\n\r\n${body}`);
}
