import type { Log } from "../../ports/log.ts";
import type { RemoteHosts } from "../remote/remote-hosts.ts";

export type MicrovmOptions = {
  readonly dataDir: string;
  /** Where `hearth image build` put the image; shared between starts. */
  readonly imagesDir: string;
  /** Folder with `host-agent.mjs` and what else the guest runs, see `buildHostBundles`. */
  readonly bundleDir: string;
  /** Whether containers reach anything beyond their instance. */
  readonly network: boolean;
  /** Guests join as hosts of kind `microvm`. */
  readonly hosts: RemoteHosts;
  /** Where the server's remote endpoint listens; undefined: not yet. */
  readonly endpoint: () => { readonly host: string; readonly port: number } | undefined;
  /** What all machines together may take of the host's memory; undefined: half of what is available. */
  readonly memoryMiB?: number;
  /** Of each machine's data disk: functions' code and /tmp. A sparse file. Default 16 GiB. */
  readonly diskMiB?: number;
  /** Of the usual shape; default 0. */
  readonly priceUsdPerHour?: number;
  /** How long a machine lives without a server. */
  readonly orphanMs: number;
  readonly log: Pick<Log, "info" | "warn">;
};
