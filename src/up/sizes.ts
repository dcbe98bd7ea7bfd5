import type { ControlPlane } from "../control/control-plane.ts";
import type { Event } from "../model/event.ts";
import type { SizingDecision, SizingKey } from "../model/sizing.ts";
import { systemClock } from "../ports/clock.ts";
import type { FunctionCatalog } from "../ports/function-catalog.ts";
import type { Log } from "../ports/log.ts";
import type { Store } from "../ports/store.ts";
import { SizeWriter } from "../server/size-writer.ts";
import { SizingRules } from "../server/sizing-rules.ts";

/** What a server keeps of sizes besides its core. */
export type Sizes = { readonly rules: SizingRules; readonly writer: SizeWriter };

export type SizesOptions = {
  readonly store: Store;
  readonly control: Pick<ControlPlane, "sizing">;
  readonly catalog: FunctionCatalog;
  readonly log: Log;
  /** To the core. */
  feed(event: Event): void;
  /** Told of each once. */
  onDecision(key: SizingKey, decision: SizingDecision): void;
};

/** Gives the core back what was said and learned of sizes; what it learns is written from now on, until `writer.close`. @throws HearthError STORE_FAILED. */
export async function openSizes({ store, control, catalog, log, feed, onDecision }: SizesOptions): Promise<Sizes> {
  const { sizing } = control;
  const rules = new SizingRules({
    store: store.sizing,
    clock: systemClock,
    log,
    onChange: (scope, settings) => feed({ kind: "SizingConfigured", scope, settings }),
    onStop: (isStopped) => feed({ kind: "SizingStopped", isStopped }),
  });
  const writer = new SizeWriter({
    store: store.sizing,
    sizes: sizing,
    onDecision,
    nowMs: () => systemClock.nowMs(),
    log,
  });
  await rules.load(({ accountId, functionName }) => catalog.get(accountId, functionName) !== undefined);
  await writer.load();
  catalog.onDeleted(({ accountId, name, qualifier }) => {
    // An alias has no size of its own, and takes no version along.
    sizing.forgetFunction(accountId, name, qualifier);
    if (qualifier !== undefined) return;
    rules.functionDeleted(accountId, name).catch((error: unknown) => {
      log.error(
        { accountId, functionName: name, error },
        "what was said of a deleted function's size could not be removed",
      );
    });
  });
  writer.start();
  return { rules, writer };
}
