import { z } from "zod";
import { RUNTIMES } from "../model/runtime.ts";
import { HOST_NAME } from "./host-protocol.ts";
import { parseJoinToken } from "./join-token.ts";

/** `HOST:PORT`, `[IPv6]:PORT`, or with `hearth://` before it. */
const ADDRESS = /^(?:hearth:\/\/)?(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9.-]+)):(\d{1,5})$/;

const address = z
  .string()
  .regex(ADDRESS, "write it like HOST:PORT")
  .transform((text) => {
    const [, ipv6, name, port] = ADDRESS.exec(text) ?? [];
    return { host: ipv6 ?? name ?? "", port: Number(port) };
  });

/**
 * How a host agent is run: a JSON file (`hearth-host-agent --config FILE`, or its path in `HEARTH_HOST_CONFIG`) or, for
 * `hearth agent`, flags. Members that are absent have the defaults that are said here.
 */
export const hostAgentConfigSchema = z.strictObject({
  /** The server's remote endpoint. */
  server: address,
  /** Needed until the machine has joined; afterwards the data folder knows the server's key and the host's own. */
  token: z
    .string()
    .refine((text) => parseJoinToken(text) !== undefined, "it is no join token")
    .optional(),
  /** Default: the host's name. The token's terms go before it. */
  name: z.string().regex(HOST_NAME).optional(),
  zone: z.string().regex(HOST_NAME).optional(),
  /** Absolute: the host's key, its instances and functions' code. */
  dataDir: z.string().startsWith("/"),
  /** `auto`: the sandbox; a machine where it does not work is refused. `process` has no isolation and must be asked for. */
  provider: z.enum(["auto", "sandbox", "process"]).default("auto"),
  /** What instances may take together; default: what the provider finds. */
  memoryMiB: z.number().int().positive().optional(),
  cpuMilli: z.number().int().positive().optional(),
  /** Whether containers reach the network. */
  network: z.boolean().default(true),
  /**
   * The machine exists for one instance (microvm, ec2): the process ends, with status 0, when its instance has ended or
   * no server was there for `orphanMs`. Whoever runs the machine switches it off then.
   */
  isSingle: z.boolean().default(false),
  /** Of a single host: how long it lives without a server that welcomes it. */
  orphanMs: z.number().int().positive().default(600_000),
  /** Functions' code beyond it is removed, the longest unused first; what instances may use stays. */
  codeCacheMiB: z.number().int().positive().default(4096),
  /** Where to ask for notices; `none`: only the operator's signal is one. */
  notices: z.enum(["none", "imds"]).default("none"),
  /** Of `imds`: the metadata service's address, for tests. */
  metadataUrl: z.url().optional(),
  /** Folder with `agent.mjs`, `node-runtime.cjs`, `python-runtime.py` and `custom-runtime.sh`; default: the bundle's own. */
  bundleDir: z.string().startsWith("/").optional(),
  /** Path of the Node binary of each managed runtime. */
  nodeBinaries: z.partialRecord(z.enum(RUNTIMES), z.string()).default({}),
  /** Home folder of the interpreter of each Python runtime. */
  pythonHomes: z.partialRecord(z.enum(RUNTIMES), z.string()).default({}),
  /** The Node that runs the agents; default: the one that runs this process. */
  nodePath: z.string().startsWith("/").optional(),
  logLevel: z.enum(["trace", "debug", "info", "warn", "error", "fatal", "silent"]).default("info"),
});
/** As it is written. */
export type HostAgentConfigInput = z.input<typeof hostAgentConfigSchema>;
/** As it is meant: checked, with its defaults. */
export type HostAgentConfig = z.output<typeof hostAgentConfigSchema>;
