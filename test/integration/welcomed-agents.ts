import { readdirSync, readFileSync } from "node:fs";
import type { Socket } from "node:net";
import type { InstanceId } from "../../src/model/ids.ts";
import { AGENT_PROTOCOL_VERSION, type AgentMessage, agentMessageSchema } from "../../src/protocol/agent-protocol.ts";
import { encodeFrame, FrameDecoder } from "../../src/protocol/frame.ts";

export type Hello = Extract<AgentMessage, { kind: "hello" }>;

/** Long enough that no agent ends while a test looks elsewhere. */
const SETTINGS = { freezeAfterMs: 50, heartbeatMs: 500, orphanMs: 120_000, blankMemoryMiB: 128 };

/** The agents that dialled, each welcomed as a server does it. */
export class WelcomedAgents {
  readonly #agents = new Map<InstanceId, { readonly hello: Hello; readonly socket: Socket }>();

  accept(socket: Socket): void {
    const decoder = new FrameDecoder();
    socket.on("error", () => {}); // It was killed, or its machine cut off.
    socket.on("data", (bytes: Buffer) => {
      decoder.push(bytes, (header) => this.#hear(agentMessageSchema.parse(header), socket));
    });
    socket.resume();
  }

  /** The latest of this instance; undefined: it never dialled. */
  helloOf(instanceId: InstanceId): Hello | undefined {
    return this.#agents.get(instanceId)?.hello;
  }

  isJoined(instanceId: InstanceId): boolean {
    return this.#agents.get(instanceId)?.socket.closed === false;
  }

  /** Of all that ever dialled. */
  instanceIds(): readonly InstanceId[] {
    return [...this.#agents.keys()];
  }

  close(): void {
    for (const { socket } of this.#agents.values()) socket.destroy();
  }

  #hear(message: AgentMessage, socket: Socket): void {
    if (message.kind !== "hello") return;
    this.#agents.set(message.instanceId, { hello: message, socket });
    socket.write(encodeFrame({ kind: "welcome", protocolVersion: AGENT_PROTOCOL_VERSION, ...SETTINGS }));
  }
}

/** Processes on this host that were started with the configuration of this instance's agent. */
export function agentProcessesOf(instanceId: InstanceId): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => environmentOf(pid).includes(`"instanceId":"${instanceId}"`))
    .map(Number);
}

function environmentOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/environ`, "utf8");
  } catch {
    return ""; // It is gone, or not ours to see.
  }
}
