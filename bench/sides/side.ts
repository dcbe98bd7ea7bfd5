/** One server of a comparison, ready to be called. */
export type Side = {
  readonly name: string;
  readonly url: URL;
  /** Headers of a request sent within the next minutes; a signed side signs them anew each time. */
  headers(): Readonly<Record<string, string>>;
  /** Idempotent. */
  stop(): Promise<void>;
};

export const NO_HEADERS = () => ({});
