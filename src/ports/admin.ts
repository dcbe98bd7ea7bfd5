import type { Offer } from "../model/capacity.ts";
import type { AccountId } from "../model/ids.ts";
import type { PoolsSnapshot } from "../model/snapshot.ts";
import type { AccessKey } from "./store.ts";

/** What an operator sees of a server and does to it. The server shell implements it, the admin API shows it. */
export type AdminView = {
  status(): ServerStatus;
  pools(): PoolsSnapshot;
  listAccounts(): Promise<readonly AccountSummary[]>;
  /**
   * Makes an account with an id of its own and no access key.
   * @throws HearthError STORE_FAILED.
   */
  createAccount(name: string): Promise<AccountSummary>;
  /**
   * @returns the new key with its secret, which is never shown again; undefined when there is no such account.
   * @throws HearthError STORE_FAILED.
   */
  createAccessKey(accountId: AccountId): Promise<AccessKey | undefined>;
};

/** The answer of `/_hearth/status`. */
export type ServerStatus = {
  readonly version: string;
  readonly startedMs: number;
  readonly uptimeMs: number;
  /** `http://HOST:PORT` as it listens. */
  readonly address: string;
  readonly dataDir: string;
  readonly region: string;
  /** The kinds of its providers, separated by commas. */
  readonly provider: string;
  /** One sentence: which isolation the instances give, and why this provider was chosen. */
  readonly isolation: string;
  /** Which interpreter of this machine each Python runtime has: `Python 3.11.2 of /usr/bin/python3.11, boto3 1.26.27`. */
  readonly pythons: Readonly<Record<string, string>>;
  /** What can be had, on the terms of now. */
  readonly offers: readonly Offer[];
  readonly counts: {
    readonly accounts: number;
    /** Of all accounts. */
    readonly functions: number;
    readonly instances: number;
    readonly containers: number;
    readonly runningInvocations: number;
    readonly waitingInvocations: number;
    /** Accepted asynchronous invocations without a final outcome. */
    readonly queuedEvents: number;
    /** Asynchronous invocations that ended and of which a destination is still to be told. */
    readonly undeliveredOutcomes: number;
  };
  /** The bounds in force, by name with their unit at the end: `waitingInvocationsMax`, `payloadBytesMax` … */
  readonly limits: Readonly<Record<string, number>>;
};

/** An account as its operator sees it: never with a secret. */
export type AccountSummary = {
  readonly accountId: AccountId;
  readonly name: string;
  readonly createdMs: number;
  readonly accessKeyIds: readonly string[];
};

/** Where `/metrics` comes from. */
export type MetricsSource = {
  readonly contentType: string;
  /** The text of one scrape. */
  scrape(): Promise<string>;
};
