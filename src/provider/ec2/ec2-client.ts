import type { EC2 } from "@aws-sdk/client-ec2";
import type { Ec2Settings } from "./ec2-settings.ts";

const CONNECT_MS_MAX = 5_000;
/** Attempts of one call; the SDK waits longer before each, and longer still when EC2 throttles. */
const ATTEMPTS_MAX = 3;
/** Pages that are read of one list: 1,000 machines, prices or types each. */
const PAGES_MAX = 100;
/** Beyond the time-outs of the attempts: a body that never ends. */
const GRACE_MS = 5_000;

/** EC2 with bounded waits. `once` never repeats a request by itself. */
export type Ec2Client = {
  readonly ec2: EC2;
  readonly once: EC2;
  /**
   * Performs one call; no call of this provider goes past it.
   * @throws the SDK's error, or Error `TimeoutError` when there is no whole answer in time.
   */
  call<T>(request: () => Promise<T>): Promise<T>;
  /** All pages of a list, one after the other. @throws as `call`; Error when there are more than PAGES_MAX. */
  pages<Page extends { readonly NextToken?: string | undefined }>(
    request: (token: { NextToken?: string }) => Promise<Page>,
  ): Promise<Page[]>;
  close(): void;
};

/** Loads the SDK, which a server without EC2 never does. Credentials are those the SDK finds. */
export async function openEc2Client({ region, endpoint, intervals }: Ec2Settings): Promise<Ec2Client> {
  const { EC2 } = await import("@aws-sdk/client-ec2");
  const { requestMsMax } = intervals;
  const config = {
    region,
    ...(endpoint === undefined ? {} : { endpoint }),
    requestHandler: {
      connectionTimeout: Math.min(CONNECT_MS_MAX, requestMsMax),
      requestTimeout: requestMsMax,
      throwOnRequestTimeout: true,
    },
  };
  const ec2 = new EC2({ ...config, maxAttempts: ATTEMPTS_MAX });
  const once = new EC2({ ...config, maxAttempts: 1 });
  const callMsMax = ATTEMPTS_MAX * requestMsMax + GRACE_MS;
  const call = <T>(request: () => Promise<T>) => within(request(), callMsMax);
  return {
    ec2,
    once,
    call,
    async pages(request) {
      const pages = [];
      let token: string | undefined;
      do {
        if (pages.length === PAGES_MAX) throw new Error(`EC2 lists more than ${PAGES_MAX} pages`);
        const from = token === undefined ? {} : { NextToken: token };
        const page = await call(() => request(from));
        pages.push(page);
        token = page.NextToken || undefined;
      } while (token !== undefined);
      return pages;
    },
    close() {
      ec2.destroy();
      once.destroy();
    },
  };
}

async function within<T>(promise: Promise<T>, limitMs: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const expired = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      const error = new Error(`EC2 gave no whole answer within ${limitMs} ms`);
      error.name = "TimeoutError";
      reject(error);
    }, limitMs);
  });
  try {
    return await Promise.race([promise, expired]);
  } finally {
    clearTimeout(timer);
  }
}
