import { request } from "node:http";
import { connect, type Socket } from "node:net";
import type { Destination } from "./subscription.ts";

/** Takes batches to a subscriber inside a container. */
export type Delivery = {
  /** @param records each one JSON. @throws Error when the subscriber did not take them. */
  send(records: readonly Buffer[], signal: AbortSignal): Promise<void>;
  close(): void;
};

/** @param address of the container, where the agent and its processes share a network. */
export function deliveryTo(address: string, destination: Destination): Delivery {
  return destination.protocol === "HTTP"
    ? new HttpDelivery(address, destination)
    : new TcpDelivery(address, destination);
}

const COMMA = Buffer.from(",");
const NEWLINE = Buffer.from("\n");

class HttpDelivery implements Delivery {
  readonly #address: string;
  readonly #destination: Extract<Destination, { protocol: "HTTP" }>;

  constructor(address: string, destination: Extract<Destination, { protocol: "HTTP" }>) {
    this.#address = address;
    this.#destination = destination;
  }

  send(records: readonly Buffer[], signal: AbortSignal): Promise<void> {
    const { port, path, method } = this.#destination;
    const body = Buffer.concat([Buffer.from("["), ...joined(records, COMMA), Buffer.from("]")]);
    const headers = {
      Host: `sandbox.localdomain:${port}`,
      "Content-Type": "application/json",
      "Content-Length": body.length,
    };
    return new Promise((resolve, reject) => {
      // A connection for each batch: one that is kept would outlive its peer's patience while the container is frozen.
      const sent = request({ host: this.#address, port, path, method, headers, agent: false, signal }, (response) => {
        response.on("error", reject);
        response.resume();
        const { statusCode = 0 } = response;
        if (statusCode < 400) response.on("end", resolve);
        else reject(new Error(`status ${statusCode}`));
      });
      sent.on("error", reject);
      sent.end(body);
    });
  }

  close(): void {}
}

class TcpDelivery implements Delivery {
  readonly #address: string;
  readonly #port: number;
  #socket: Socket | undefined;

  constructor(address: string, { port }: Destination) {
    this.#address = address;
    this.#port = port;
  }

  async send(records: readonly Buffer[], signal: AbortSignal): Promise<void> {
    const socket = this.#socket ?? this.#connect();
    const body = Buffer.concat([...joined(records, NEWLINE), NEWLINE]);
    await new Promise<void>((resolve, reject) => {
      const fail = (error?: Error) => {
        this.close();
        reject(error ?? new Error("the connection was closed"));
      };
      const abort = () => fail(new Error("not read in time"));
      const settle = () => {
        socket.off("error", fail);
        socket.off("close", fail);
        signal.removeEventListener("abort", abort);
      };
      socket.once("error", fail);
      socket.once("close", fail);
      signal.addEventListener("abort", abort);
      socket.write(body, (error) => {
        settle();
        if (error) fail(error);
        else resolve();
      });
    });
  }

  close(): void {
    this.#socket?.destroy();
    this.#socket = undefined;
  }

  #connect(): Socket {
    const socket = connect(this.#port, this.#address);
    socket.on("error", () => {}); // Whoever sends is told; between two batches nobody needs to know.
    socket.on("close", () => {
      if (this.#socket === socket) this.#socket = undefined;
    });
    socket.resume();
    this.#socket = socket;
    return socket;
  }
}

function joined(records: readonly Buffer[], separator: Buffer): Buffer[] {
  return records.flatMap((record, index) => (index === 0 ? [record] : [separator, record]));
}
