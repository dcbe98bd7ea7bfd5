import type { DeliveryDecision } from "../../model/retry.ts";

/** How long the outcome of an event is tried to be delivered. */
export type DeliverySettings = {
  /** Pause after the first failure; doubles up to the maximum. */
  readonly delayMs: number;
  readonly delayMsMax: number;
  /** For which one server tries; then it is given up, with a line in the log. */
  readonly ageMsMax: number;
};

/** As long as Lambda keeps an event at most: a destination that is away for a night is too long away. */
export const DEFAULT_DELIVERY_SETTINGS: DeliverySettings = {
  delayMs: 1_000,
  delayMsMax: 300_000,
  ageMsMax: 21_600_000,
};

/**
 * Decides what becomes of a delivery after a failure. What was refused is tried again like what was not reached: queues,
 * permissions and addresses are mended while events wait.
 * @param failures of this delivery, the last one included.
 * @param triedFromMs since when this server could deliver it: nothing is given up for the time in which no server ran.
 */
export function decideDelivery(
  failures: number,
  triedFromMs: number,
  settings: DeliverySettings,
  nowMs: number,
): DeliveryDecision {
  const atMs = nowMs + Math.min(settings.delayMs * 2 ** Math.min(failures - 1, 30), settings.delayMsMax);
  return atMs - triedFromMs > settings.ageMsMax ? { kind: "giveUp" } : { kind: "retry", atMs };
}
