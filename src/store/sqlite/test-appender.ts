import { randomUUID } from "node:crypto";
import type { AccountId, InvocationId } from "../../model/ids.ts";
import { openSqliteStore } from "./sqlite-store.ts";

/** A process for the tests to kill: appends events as fast as it can and prints each id once it is promised to be kept. */
const store = await openSqliteStore(process.argv[2] as string);

async function append(): Promise<void> {
  for (;;) {
    const id = randomUUID() as InvocationId;
    await store.events.append({
      id,
      accountId: "000000000000" as AccountId,
      functionName: "f",
      qualifier: "$LATEST",
      payload: Buffer.alloc(300, 1),
      invokedArn: "arn:aws:lambda:us-east-1:000000000000:function:f",
      clientContext: undefined,
      traceId: undefined,
      traceState: undefined,
      trigger: "other",
      acceptedMs: Date.now(),
      attempts: 0,
      functionFailures: 0,
      nextAttemptMs: 0,
      deadlineMs: undefined,
    });
    process.stdout.write(`${id}\n`);
  }
}

await Promise.all(Array.from({ length: 8 }, append));
