import type { AccountId } from "../model/ids.ts";
import type { FunctionUrlAuthType } from "../model/resource-policy.ts";

/** What a URL is of: a function's `$LATEST`, or one of its aliases. */
export type FunctionUrlTarget = {
  readonly accountId: AccountId;
  readonly name: string;
  /** An alias; undefined: `$LATEST`. */
  readonly qualifier: string | undefined;
};

/** Which pages in browsers may read the answers. Absent members were not given. */
export type Cors = {
  readonly allowCredentials?: boolean | undefined;
  readonly allowHeaders?: readonly string[] | undefined;
  readonly allowMethods?: readonly string[] | undefined;
  readonly allowOrigins?: readonly string[] | undefined;
  readonly exposeHeaders?: readonly string[] | undefined;
  readonly maxAgeS?: number | undefined;
};

/** Whether a URL waits for the whole response, or passes on what the function writes. */
export type InvokeMode = "BUFFERED" | "RESPONSE_STREAM";

/** What its owner decides about a URL. */
export type FunctionUrlSettings = {
  readonly authType: FunctionUrlAuthType;
  readonly invokeMode: InvokeMode;
  /** undefined: the function answers for itself. */
  readonly cors: Cors | undefined;
};

/** A URL as it is stored and shown. */
export type FunctionUrl = FunctionUrlTarget &
  FunctionUrlSettings & {
    /** 32 lower-case letters and digits, its host name's first part. Another one after each creation. */
    readonly id: string;
    readonly createdMs: number;
    readonly modifiedMs: number;
  };

/**
 * The URLs of all functions: in memory for reading, written through to the store before a change is visible. One ends
 * with its function or alias. Promises reject with HearthError STORE_FAILED.
 */
export type FunctionUrls = {
  get(target: FunctionUrlTarget): FunctionUrl | undefined;
  /** On the path of every request to a URL. */
  find(id: string): FunctionUrl | undefined;
  /** Of one function: that of `$LATEST` first, then by alias. */
  list(accountId: AccountId, name: string): FunctionUrl[];
  /** @returns undefined: there is one. */
  create(target: FunctionUrlTarget, settings: FunctionUrlSettings): Promise<FunctionUrl | undefined>;
  /** @returns undefined: there is none. */
  update(target: FunctionUrlTarget, change: Partial<FunctionUrlSettings>): Promise<FunctionUrl | undefined>;
  /** @returns false: there was none. */
  delete(target: FunctionUrlTarget): Promise<boolean>;
};
