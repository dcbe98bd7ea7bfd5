import type { Log } from "../../ports/log.ts";
import type { NoticeSource } from "../notice-source.ts";
import { ImdsClient } from "./imds-client.ts";
import { parseInstanceAction, parseRebalance } from "./imds-document.ts";

export type ImdsOptions = {
  /** Default: the address that EC2 gives every machine. */
  readonly baseUrl?: string;
  /** Between two looks; EC2 advises 5 s. */
  readonly intervalMs?: number;
  readonly requestMsMax?: number;
  readonly log: Pick<Log, "info" | "warn">;
};

const IMDS_URL = "http://169.254.169.254";
const INTERVAL_MS = 5_000;
const REQUEST_MS_MAX = 2_000;
const ACTION_PATH = "/latest/meta-data/spot/instance-action";
const REBALANCE_PATH = "/latest/meta-data/events/recommendations/rebalance";

/**
 * Interruption notices and rebalance recommendations of an EC2 instance, out of its metadata service (version 2).
 * A service that fails, hangs or talks nonsense is asked again at the next look: a notice is best effort anyway.
 * See "Spot Instance interruption notices" and "EC2 instance rebalance recommendations" of the EC2 user guide.
 */
export function createImdsNoticeSource(options: ImdsOptions): NoticeSource {
  const { baseUrl = IMDS_URL, intervalMs = INTERVAL_MS, requestMsMax = REQUEST_MS_MAX, log } = options;
  const client = new ImdsClient(baseUrl, requestMsMax);
  const stopped = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  let isFailing = false;
  /** What was said of each document; the service repeats it at every look. */
  const said = new Map<string, string>();

  async function look(path: string, tell: (body: string, serviceMs: number | undefined) => void): Promise<void> {
    const document = await client.read(path, stopped.signal);
    if (document === undefined || stopped.signal.aborted || said.get(path) === document.body) return;
    tell(document.body, document.serviceMs);
    said.set(path, document.body);
  }

  return {
    start(onAtRisk, onReclaim) {
      const lookAtAll = async () => {
        // Each by itself: a recommendation that cannot be read must not hide the notice.
        const looks = await Promise.allSettled([
          look(ACTION_PATH, (body, serviceMs) => {
            const { action, leftMs } = parseInstanceAction(body, serviceMs ?? Date.now());
            onReclaim(leftMs, `EC2 will ${action} the spot instance`);
          }),
          look(REBALANCE_PATH, (body) => {
            onAtRisk(`EC2 recommends to rebalance since ${parseRebalance(body)}`);
          }),
        ]);
        if (stopped.signal.aborted) return;
        const failure = looks.find((result) => result.status === "rejected")?.reason as Error | undefined;
        if (failure !== undefined && !isFailing)
          log.warn({ error: failure }, `notices of EC2 cannot be read: ${failure.message}`);
        if (failure === undefined && isFailing) log.info({}, "notices of EC2 are read again");
        isFailing = failure !== undefined;
        timer = setTimeout(() => void lookAtAll(), intervalMs);
      };
      void lookAtAll();
    },
    stop() {
      stopped.abort();
      clearTimeout(timer);
    },
  };
}
