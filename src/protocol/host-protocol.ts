import { z } from "zod";
import type { InstanceId, OfferId } from "../model/ids.ts";
import { RUNTIMES } from "../model/runtime.ts";

/**
 * Messages between the server and the host agent of another machine, as frames (`frame.ts`) over TLS with pinned keys
 * (`pinned-tls.ts`). The host agent dials. The first frame of every connection to the server's remote endpoint says
 * what the connection is:
 *
 * - `join`: a host that the server does not know yet, with a join token. Answered by `welcome` or `refused`.
 * - `hostHello`: a host that joined before; its key says which. Answered likewise.
 * - `fetchCode`: of a joined host; answered by `codePart` frames or `refused`, and ended. Where it `mayWait`, `heartbeat` says
 *   meanwhile that it still has to wait for its turn.
 * - `hello` of `agent-protocol.ts`: the agent of an instance, passed on by its host agent.
 *
 * After `welcome` the server orders and the host agent tells. Both sides ignore members that they do not know.
 */
export const HOST_PROTOCOL_VERSION = 1;

/** Of a first frame from a peer whose key no host has; everything else waits until it has joined. */
export const JOIN_FRAME_BYTES_MAX = 16 * 1024;
/** Of one `codePart`'s payload. */
export const CODE_PART_BYTES = 1024 * 1024;

const instanceId = z.custom<InstanceId>((v) => typeof v === "string" && /^[\w.-]{1,128}$/.test(v));
const offerId = z.custom<OfferId>((v) => typeof v === "string" && v.length <= 512);
/** Up to 64 TiB and 10,000 processors: beyond what machines have, and within what can be reckoned with. */
const shape = z.object({
  memoryMiB: z
    .number()
    .min(1)
    .max(2 ** 26),
  cpuMilli: z.number().min(1).max(1e7),
});
const sha256Hex = z.string().regex(/^[0-9a-f]{64}$/);
/** People read it in a terminal, where control characters are orders. */
const text = (lengthMax: number) =>
  z
    .string()
    .max(lengthMax)
    .transform((said) => said.replaceAll(/\p{Cc}+/gu, " "));
const sentence = text(4096);
/** Further ahead nobody gives notice; timers go no further. */
const NOTICE_MS_MAX = 2 ** 31 - 1;
const instanceIds = z.array(instanceId).max(4096);

/** A part of a host's or zone's name in offers: letters, digits, `.`, `_`, `-`; at most 63. */
export const HOST_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;

/** What a machine says of itself, at every connection. */
export const hostDescriptionSchema = z.object({
  name: z.string().regex(HOST_NAME),
  /** undefined: its terms say it. */
  zone: z.string().regex(HOST_NAME).optional(),
  /** What all its instances together may take. */
  offered: shape,
  /** One sentence for people: how its containers are isolated. */
  isolation: sentence,
  /** What makes its instances. */
  provider: z.enum(["sandbox", "process"]),
  runtimes: z.array(z.enum(RUNTIMES)),
  version: text(64),
});
export type HostDescription = z.infer<typeof hostDescriptionSchema>;

/** How busy the machine is; undefined members: not known there. */
export const hostLoadSchema = z.object({
  /** 0 (idle) to 1 (all processors busy). */
  cpu: z.number().min(0).max(1),
  memoryAvailableMiB: z.number().min(0).optional(),
});
export type HostLoad = z.infer<typeof hostLoadSchema>;

/** First frames of a host agent's connections. */
export const hostGreetingSchema = z.discriminatedUnion("kind", [
  z.object({
    kind: z.literal("join"),
    protocolVersion: z.number(),
    /** The secret half of the join token, see `join-token.ts`. */
    secret: z.string().max(128),
    host: hostDescriptionSchema,
    instanceIds,
  }),
  z.object({
    kind: z.literal("hostHello"),
    protocolVersion: z.number(),
    host: hostDescriptionSchema,
    /** All instances that exist there, those that are being started included. */
    instanceIds,
  }),
  /** `mayWait`: it takes a `heartbeat` before the code; absent in hosts of earlier versions. */
  z.object({ kind: z.literal("fetchCode"), sha256Hex, mayWait: z.boolean().optional() }),
]);
export type HostGreeting = z.infer<typeof hostGreetingSchema>;

/** The instance that a host agent is to start; what it needs of a `LaunchOrder`. */
export const instanceOrderSchema = z.object({
  instanceId,
  offerId,
  subPool: z.enum(["fixed", "variable"]),
  shape,
  /** Secret of the instance, for its agent's `hello`. */
  token: z.string(),
});
export type InstanceOrder = z.infer<typeof instanceOrderSchema>;

/** What a server says to a host agent. */
export const serverToHostSchema = z.discriminatedUnion("kind", [
  z.object({
    kind: z.literal("welcome"),
    protocolVersion: z.number(),
    hostId: z.string(),
    /** Each side says something at least this often, and takes the other for gone after `silenceMs` without a word. */
    heartbeatMs: z.number(),
    silenceMs: z.number(),
  }),
  /** The connection ends after it. */
  z.object({ kind: z.literal("refused"), code: z.string(), detail: z.string(), isFinal: z.boolean() }),
  /** Idempotent: an instance that exists is left as it is. Answered by `done`. */
  z.object({ kind: z.literal("launch"), orderId: z.string(), order: instanceOrderSchema }),
  /** Idempotent. Answered by `done` when nothing of it is left. */
  z.object({ kind: z.literal("terminate"), orderId: z.string(), instanceId }),
  z.object({ kind: z.literal("heartbeat") }),
  /** A part of an archive, in order; the payload of the frame. Only after `fetchCode`. */
  z.object({ kind: z.literal("codePart"), isLast: z.boolean() }),
]);
export type ServerToHost = z.infer<typeof serverToHostSchema>;

/** What a host agent says after its greeting was answered with `welcome`. */
export const hostToServerSchema = z.discriminatedUnion("kind", [
  z.object({
    kind: z.literal("done"),
    orderId: z.string(),
    /** Absent: it was carried out. */
    failure: z.object({ code: z.enum(["LAUNCH_FAILED", "INSUFFICIENT_CAPACITY"]), detail: sentence }).optional(),
  }),
  /** An instance ended without being told to. */
  z.object({ kind: z.literal("exited"), instanceId, reason: sentence }),
  /** The machine with all its instances may be taken away soon. */
  z.object({ kind: z.literal("atRisk"), reason: sentence }),
  /** The machine with all its instances is taken away in `leftMs`; said again after a reconnection. */
  z.object({ kind: z.literal("reclaim"), leftMs: z.number().min(0).max(NOTICE_MS_MAX), reason: sentence }),
  /** What an operator should read in the server's log. */
  z.object({ kind: z.literal("trouble"), text: sentence }),
  z.object({ kind: z.literal("heartbeat"), load: hostLoadSchema }),
]);
export type HostToServer = z.infer<typeof hostToServerSchema>;
