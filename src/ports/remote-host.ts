import type { ProviderKind } from "../model/capacity.ts";
import type { InstanceId, OfferId } from "../model/ids.ts";
import type { Shape, SubPool } from "../model/instance.ts";

/** On which terms a machine is a host; decided when its join token is made, never by the machine. */
export type HostTerms = {
  /** Whose instances it runs. */
  readonly provider: ProviderKind;
  /** Part of its offer's id; undefined: the name and zone that the machine gives itself, and `default`. */
  readonly name: string | undefined;
  readonly zone: string | undefined;
  readonly subPool: SubPool;
  /** Of the whole machine. */
  readonly priceUsdPerHour: number;
  /** Between the notice of a reclaim and the reclaim; undefined: it is never reclaimed. */
  readonly noticeMs: number | undefined;
};

/** The one instance that a machine was made for. */
export type HostInstance = {
  readonly instanceId: InstanceId;
  readonly offerId: OfferId;
  readonly subPool: SubPool;
  readonly shape: Shape;
  /** Secret of the instance, for its agent's `hello`. */
  readonly token: string;
};

/** A joined machine, as it is stored. */
export type HostRecord = {
  readonly hostId: string;
  readonly terms: HostTerms;
  /** The machine's key: SHA-256 of its public key (SPKI), base64url. No two hosts have the same. */
  readonly keySha256: string;
  readonly joinedMs: number;
  /** As the machine said last. */
  readonly name: string;
  readonly zone: string;
  readonly offered: Shape;
  readonly isolation: string;
  readonly version: string;
  /** Instances that were ordered there and are not known to have ended; what else runs there is ended. */
  readonly instanceIds: readonly InstanceId[];
  /** Present: the machine is this instance and takes no other. */
  readonly instance: HostInstance | undefined;
};

/** A join token that was made; kept until it expires, also when it was used, so that a lost answer can be given again. */
export type JoinTokenRecord = {
  /** SHA-256 of the token's secret, lower-case hex: the secret itself is not kept. */
  readonly secretSha256Hex: string;
  readonly expiresMs: number;
  readonly terms: HostTerms;
  readonly instance: HostInstance | undefined;
  readonly usedBy: { readonly hostId: string; readonly keySha256: string } | undefined;
};

/** What survives a crash of the hosts that joined. Promises as those of `Store`. */
export type HostStore = {
  loadHosts(): Promise<HostRecord[]>;
  /** Inserts or replaces, by id. */
  putHost(host: HostRecord): Promise<void>;
  /** Idempotent. */
  deleteHost(hostId: string): Promise<void>;
  loadJoinTokens(): Promise<JoinTokenRecord[]>;
  /** Inserts or replaces, by the secret's hash. */
  putJoinToken(token: JoinTokenRecord): Promise<void>;
  /** Idempotent. */
  deleteJoinToken(secretSha256Hex: string): Promise<void>;
};

/** A new token with what a machine needs beside it. */
export type JoinInvitation = {
  /** For `hearth agent --token`: the secret and the pin of the server's key. Shown once. */
  readonly token: string;
  /** Where the remote endpoint is reached, `HOST:PORT`, the likeliest first. */
  readonly addresses: readonly string[];
  readonly expiresMs: number;
};

/** A host as its operator sees it. */
export type HostSummary = Omit<HostRecord, "instance"> & {
  readonly isConnected: boolean;
  /** 0 to 1; undefined: it is not connected. */
  readonly cpuLoad: number | undefined;
};

/** What an operator does with hosts. The admin API shows it. */
export type HostAdmin = {
  list(): readonly HostSummary[];
  /** @throws HearthError PROVIDER_UNAVAILABLE when the server takes no hosts, STORE_FAILED. */
  createToken(terms: HostTerms, expiresInMs: number): Promise<JoinInvitation>;
  /** Ends the host's instances where it can be reached, and never lets it in again. @returns false: there is no such host. */
  remove(hostId: string): Promise<boolean>;
};
