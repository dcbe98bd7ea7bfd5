import { z } from "zod";
import type { InstanceId, OfferId } from "../model/ids.ts";
import { RUNTIMES } from "../model/runtime.ts";

/** An instance's host uids and the records of its containers are laid out for so many. */
export const CONTAINERS_PER_INSTANCE_MAX = 1024;

/**
 * What a provider tells the agent that it starts: JSON in the environment variable
 * `HEARTH_AGENT_CONFIG` (not in arguments, which every user of the host can read).
 */
export const agentConfigSchema = z.object({
  instanceId: z.custom<InstanceId>((v) => typeof v === "string"),
  subPool: z.enum(["fixed", "variable"]),
  offerId: z.custom<OfferId>((v) => typeof v === "string"),
  shape: z.object({ memoryMiB: z.number(), cpuMilli: z.number() }),
  serverSocketPath: z.string(),
  token: z.string(),
  isolation: z.string(),
  /** Folder with the bundled runtimes: `node-runtime.cjs`, `python-runtime.py`, `custom-runtime.sh`. */
  runtimesDir: z.string(),
  /** Path of the Node binary of each managed runtime that this host has. */
  nodeBinaries: z.partialRecord(z.enum(RUNTIMES), z.string()),
  /** Home folder of the interpreter of each Python runtime that this host has; it may appear later. */
  pythonHomes: z.partialRecord(z.enum(RUNTIMES), z.string()),
  backend: z.discriminatedUnion("kind", [
    z.object({
      kind: z.literal("process"),
      /** The agent's own folder: code links, temporary folders. Removed with the instance. */
      workDir: z.string(),
    }),
    z.object({
      kind: z.literal("sandbox"),
      /** Root filesystem of the containers, read-only. */
      baseImageDir: z.string(),
      ociRuntimePath: z.string(),
      /** cgroup of the instance relative to each hierarchy's root, `/hearth-ab12/i-…`; containers go below it. */
      cgroupPath: z.string(),
      /** First host uid of this instance; every container gets a range of its own above it. */
      uidBase: z.number(),
      /** False where user namespaces do not work; containers then run as their own host uid. */
      userNamespace: z.boolean(),
      /** Empty: no network but loopback. */
      nameservers: z.array(z.string()),
      /** The agent's own folder on disk, removed with the instance: what containers write to /tmp, the agent's log. */
      workDir: z.string(),
      /** An empty folder that every user of the host can reach; the agent mounts its own memory file system there. */
      mountDir: z.string(),
      /** False where loop devices or mkfs.ext4 are missing; /tmp then takes memory of the instance. */
      tmpOnDisk: z.boolean(),
    }),
  ]),
});
export type AgentConfig = z.infer<typeof agentConfigSchema>;
