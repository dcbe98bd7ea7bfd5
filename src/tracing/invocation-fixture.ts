import type { FunctionVersion } from "../model/function-version.ts";
import { type Lease, type Outcome, UNMEASURED, type Usage } from "../model/invocation.ts";
import type { InvocationEnd, InvocationStart } from "../ports/invocation-tracer.ts";
import type { InvokeRequest } from "../ports/invoker.ts";

/** An invocation as the server tells a tracer of it. */
export function invocationStart(
  changes: Partial<InvokeRequest> = {},
  of: Partial<Omit<InvocationStart, "request">> = {},
): InvocationStart {
  const arn = "arn:aws:lambda:us-east-1:000000000000:function:f";
  const version = {
    key: "000000000000/f/$LATEST",
    accountId: "000000000000",
    name: "f",
    version: "$LATEST",
    arn,
    memoryMiB: 128,
    timeoutMs: 3000,
  } as FunctionVersion;
  const request: InvokeRequest = {
    id: "8f507cfc-xmpl-4697-b07a-ac58fc914c95" as InvokeRequest["id"],
    version,
    payload: Buffer.from("{}"),
    invokedArn: `${arn}:live`,
    clientContext: undefined,
    traceId: undefined,
    logTail: false,
    ...changes,
  };
  return { request, mode: "synchronous", retries: 0, ...of };
}

/** @param placement of the lease, where it is not one that was to be had at once. */
export function leaseOf(start: Lease["start"], placement: Partial<Lease["placement"]> = {}): Lease {
  return {
    id: "l-1",
    instanceId: "i-1",
    containerId: "c-1",
    start,
    placement: {
      subPool: "fixed",
      offerId: "sandbox",
      priceUsdPerHour: undefined,
      why: "a blank container was ready",
      waitedMs: 0,
      waitedFor: [],
      ...placement,
    },
  } as unknown as Lease;
}

/** An execution that ended. */
export function finished(
  outcome: Outcome,
  usage: Partial<Usage>,
  of: Partial<InvocationEnd> & { readonly payload?: string; readonly exit?: string } = {},
): InvocationEnd {
  const { payload = "", exit, ...rest } = of;
  return {
    answer: {
      kind: "finished",
      outcome,
      payload: Buffer.from(payload),
      exit,
      usage: { ...UNMEASURED, wallUs: 0, ...usage },
      logTail: undefined,
    },
    lease: leaseOf("warm"),
    waitedMs: 0.1,
    tookMs: 10,
    ...rest,
  };
}
