import { rm } from "node:fs/promises";
import { createServer, type Server, type Socket } from "node:net";
import type { ContainerId, InstanceId } from "../model/ids.ts";
import type { Log } from "../ports/log.ts";
import type { AgentMessage, Assignment, ServerMessage } from "../protocol/agent-protocol.ts";
import { readFirstFrame } from "../protocol/first-frame.ts";
import { encodeFrame, FRAME_BYTES_MAX } from "../protocol/frame.ts";
import type { CodeCache } from "./code-cache.ts";
import { FramePassage } from "./frame-passage.ts";

export type AgentRelayOptions = {
  /** Where the agents of this host dial. */
  readonly socketPath: string;
  /** A connection of its own to the server. @throws Error when there is none to be had. */
  dial(): Promise<Socket>;
  readonly code: Pick<CodeCache, "find" | "ensure" | "findLayers" | "ensureLayers">;
  readonly log: Pick<Log, "warn" | "debug">;
};

const HELLO_MS_MAX = 5_000;
const CONNECTIONS_MAX = 4096;
/** Frames that wait for code, of one instance; the server is not read further until there is room. */
const HELD_BYTES_MAX = 64 * 1024 * 1024;
/** After one side ended, the other has so long to take what is left. */
const LINGER_MS = 5_000;
const HAS_ASSIGNMENT = '"assignment":';
const SHA256_HEX = /^[0-9a-f]{64}$/;

/**
 * Passes frames between the agents of this host and the server, one connection to the server for each: agents dial it as
 * they would dial a server on their host. An order that brings a function to a container waits here until its
 * code is on this host, and the later orders for that container behind it.
 */
export class AgentRelay {
  readonly #options: AgentRelayOptions;
  readonly #listener: Server;
  readonly #sockets = new Set<Socket>();

  constructor(options: AgentRelayOptions) {
    this.#options = options;
    this.#listener = createServer({ pauseOnConnect: true }, (socket) => this.#accept(socket));
    this.#listener.maxConnections = CONNECTIONS_MAX;
  }

  /** @throws Error when the socket cannot be made. */
  async listen(): Promise<void> {
    const { socketPath, log } = this.#options;
    // A host agent that was killed leaves it behind.
    await rm(socketPath, { force: true });
    await new Promise<void>((resolve, reject) => {
      this.#listener.once("error", reject);
      this.#listener.listen(socketPath, () => {
        this.#listener.off("error", reject);
        this.#listener.on("error", (error) => log.warn({ error }, "an agent could not be accepted"));
        resolve();
      });
    });
  }

  /** The way to the server is cut: agents are told by the end of their connections, and dial again. */
  cutAll(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  close(): void {
    this.#listener.close();
    this.cutAll();
  }

  #accept(agent: Socket): void {
    this.#keep(agent);
    this.#connect(agent).catch((error: Error) => {
      this.#options.log.debug({ error }, "an agent's connection could not be passed on");
      agent.destroy();
    });
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on("error", () => {}); // `close` follows.
    socket.once("close", () => this.#sockets.delete(socket));
  }

  async #connect(agent: Socket): Promise<void> {
    const first = await readFirstFrame(agent, FRAME_BYTES_MAX, HELLO_MS_MAX);
    const { kind, instanceId } = first.header as Partial<Record<string, unknown>>;
    if (kind !== "hello" || typeof instanceId !== "string") throw new Error("an agent that does not say hello");
    agent.unshift(first.bytes);
    const server = await this.#options.dial();
    this.#keep(server);
    if (agent.destroyed) return void server.destroy();
    new Passage(this.#options, instanceId as InstanceId, agent, server).begin();
  }
}

/** Where an assignment's code is on this host. */
type Folders = { readonly codeDir: string; readonly layersDir: string | undefined };

type Held = { readonly frames: Buffer[] };

/** One agent's connection and the server's end of it. */
class Passage {
  readonly #options: AgentRelayOptions;
  readonly #instanceId: InstanceId;
  readonly #agent: Socket;
  readonly #server: Socket;
  readonly #toAgent: FramePassage;
  readonly #toServer: FramePassage;
  /** Orders that wait for code, by the container they are for. */
  readonly #held = new Map<ContainerId, Held>();
  #heldBytes = 0;

  constructor(options: AgentRelayOptions, instanceId: InstanceId, agent: Socket, server: Socket) {
    this.#options = options;
    this.#instanceId = instanceId;
    this.#agent = agent;
    this.#server = server;
    this.#toServer = new FramePassage({ to: server, takes: () => false, onTaken: () => {} });
    this.#toAgent = new FramePassage({
      to: agent,
      takes: (header) => this.#isForHeld(header) || header.includes(HAS_ASSIGNMENT),
      onTaken: (frame) => this.#taken(frame),
    });
  }

  begin(): void {
    this.#carry(this.#agent, this.#server, this.#toServer);
    this.#carry(this.#server, this.#agent, this.#toAgent);
  }

  #carry(from: Socket, to: Socket, passage: FramePassage): void {
    from.on("data", (chunk: Buffer) => {
      try {
        passage.push(chunk);
      } catch (error) {
        this.#options.log.warn({ instanceId: this.#instanceId, error }, "a connection that carries no frames was cut");
        from.destroy();
        to.destroy();
      }
      this.#pace(from, to);
    });
    to.on("drain", () => this.#pace(from, to));
    from.on("end", () => to.end());
    from.on("close", () => {
      to.end();
      setTimeout(() => to.destroy(), LINGER_MS).unref();
    });
    from.resume();
  }

  /** Reads on while the other side takes what is read. */
  #pace(from: Socket, to: Socket): void {
    const isFull = to.writableNeedDrain || (from === this.#server && this.#heldBytes > HELD_BYTES_MAX);
    if (isFull) from.pause();
    else from.resume();
  }

  #isForHeld(header: Buffer): boolean {
    for (const containerId of this.#held.keys()) if (header.includes(containerId)) return true;
    return false;
  }

  #taken(frame: Buffer): void {
    const { message } = decoded(frame);
    const containerId = containerOf(message);
    const held = containerId === undefined ? undefined : this.#held.get(containerId);
    if (held !== undefined) return this.#hold(held, frame);
    const assignment = assignmentOf(message);
    if (containerId === undefined || assignment === undefined) return this.#toAgent.put(frame);
    const found = this.#find(assignment);
    if (found !== undefined) return this.#toAgent.put(withFolders(frame, found));
    const waiting: Held = { frames: [] };
    this.#held.set(containerId, waiting);
    this.#hold(waiting, frame);
    this.#ensure(assignment).then(
      (folders) => this.#release(containerId, waiting, folders),
      (error: Error) => this.#giveUp(containerId, waiting, error),
    );
  }

  #find({ codeSha256Hex, layers }: Assignment): Folders | undefined {
    const { code } = this.#options;
    const codeDir = code.find(codeSha256Hex, this.#instanceId);
    const layersDir = layers && code.findLayers(layers.sha256Hexes, this.#instanceId);
    if (codeDir === undefined || (layers !== undefined && layersDir === undefined)) return undefined;
    return { codeDir, layersDir };
  }

  async #ensure({ codeSha256Hex, layers }: Assignment): Promise<Folders> {
    const { code } = this.#options;
    const [codeDir, layersDir] = await Promise.all([
      code.ensure(codeSha256Hex, this.#instanceId),
      layers && code.ensureLayers(layers.sha256Hexes, this.#instanceId),
    ]);
    return { codeDir, layersDir };
  }

  #hold(held: Held, frame: Buffer): void {
    held.frames.push(frame);
    this.#heldBytes += frame.length;
  }

  #release(containerId: ContainerId, held: Held, folders: Folders): void {
    const [first, ...later] = this.#unhold(containerId, held);
    if (this.#agent.destroyed || first === undefined) return;
    this.#toAgent.put(withFolders(first, folders));
    for (const frame of later) this.#toAgent.put(frame);
  }

  /** Answers in the agent's place: what was ordered never began. The blank container is of no use to anybody. */
  #giveUp(containerId: ContainerId, held: Held, error: Error): void {
    const frames = this.#unhold(containerId, held);
    if (this.#agent.destroyed || this.#server.destroyed) return;
    this.#options.log.warn({ instanceId: this.#instanceId, containerId, error }, "a function's code could not be had");
    for (const frame of frames) {
      const { message } = decoded(frame);
      if (message.kind === "run") this.#toServer.put(encodeFrame(failureOf(message)));
    }
    this.#toAgent.put(encodeFrame({ kind: "destroyContainer", containerId } satisfies ServerMessage));
  }

  #unhold(containerId: ContainerId, { frames }: Held): readonly Buffer[] {
    this.#held.delete(containerId);
    for (const { length } of frames) this.#heldBytes -= length;
    if (!this.#server.destroyed) this.#pace(this.#server, this.#agent);
    return frames;
  }
}

function failureOf({ containerId, leaseId, invocationId }: Extract<ServerMessage, { kind: "run" }>): AgentMessage {
  const answer = { containerId, leaseId, invocationId, outcome: "agentFault", wallUs: 0 } as const;
  return { kind: "finished", ...answer, containerUsable: false };
}

/** The server's own words: it is the agent that checks them. */
function decoded(frame: Buffer): { readonly message: ServerMessage; readonly payload: Buffer } {
  const headerEnd = 8 + frame.readUInt32LE(4);
  const message = JSON.parse(frame.toString("utf8", 8, headerEnd)) as ServerMessage;
  return { message, payload: frame.subarray(headerEnd) };
}

function containerOf(message: ServerMessage): ContainerId | undefined {
  return "containerId" in message ? message.containerId : undefined;
}

function assignmentOf(message: ServerMessage): Assignment | undefined {
  const assignment = message.kind === "run" || message.kind === "prewarm" ? message.assignment : undefined;
  if (assignment === undefined) return undefined;
  // They become paths.
  const hashes = [assignment.codeSha256Hex, ...(assignment.layers?.sha256Hexes ?? [])];
  return hashes.every((hash) => SHA256_HEX.test(hash)) ? assignment : undefined;
}

function withFolders(frame: Buffer, { codeDir, layersDir }: Folders): Buffer {
  const { message, payload } = decoded(frame);
  const given = assignmentOf(message);
  const layers = given?.layers && layersDir !== undefined ? { ...given.layers, dir: layersDir } : undefined;
  return encodeFrame({ ...message, ...(given && { assignment: { ...given, codeDir, layers } }) }, payload);
}
