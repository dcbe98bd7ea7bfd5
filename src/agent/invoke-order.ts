import type { InvokeOrder } from "./drivers/runtime-driver.ts";
import type { RunOrder } from "./run-result.ts";

/** What a container's runtime and extensions are told of a run. @param leftMs of the function's timeout. */
export function invokeOrder(order: RunOrder, leftMs: number): InvokeOrder {
  return {
    requestId: order.invocationId,
    deadlineMs: Date.now() + leftMs,
    invokedArn: order.invokedArn,
    traceId: order.traceId ?? "",
    clientContext: order.clientContext,
    retries: order.retries,
    stream: order.stream,
  };
}
