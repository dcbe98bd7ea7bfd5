import { Ledger } from "../control/ledger/ledger.ts";
import type { CostRow } from "../model/cost.ts";
import type { Invocation, Outcome, Usage } from "../model/invocation.ts";
import { systemClock } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import type { Store } from "../ports/store.ts";
import { Bookkeeper } from "../server/bookkeeper.ts";
import { CostWriter } from "../server/cost-writer.ts";
import { Explanations } from "../server/explanations.ts";

/** What a server writes down about what its core did. */
export type Books = {
  readonly bookkeeper: Bookkeeper;
  readonly ledger: Ledger;
  readonly explanations: Explanations;
  readonly costWriter: CostWriter;
};

export type BooksOptions = {
  readonly store: Store;
  readonly log: Log;
  /** Where no fixed offer has a price; undefined: nobody knows. */
  readonly fixedUsdPerGiBHour: number | undefined;
  /** An execution begins. */
  onBegun(invocation: Invocation): void;
  /** It ended by itself; `usage` undefined: nobody knows what it used. */
  onEnded(invocation: Invocation, outcome: Outcome, usage: Usage | undefined): void;
  /** Told of each row once. */
  onCosts(rows: readonly CostRow[]): void;
};

/** Opens the books; costs are written from now on, until `costWriter.close`. */
export function openBooks({ store, log, fixedUsdPerGiBHour, onBegun, onEnded, onCosts }: BooksOptions): Books {
  const nowMs = systemClock.monotonicMs();
  const offsetMs = systemClock.nowMs() - nowMs;
  const ledger = new Ledger({ fixedUsdPerGiBHour, offsetMs }, nowMs);
  const explanations = new Explanations();
  const bookkeeper = new Bookkeeper(ledger, explanations, () => systemClock.nowMs(), onBegun, onEnded);
  const costWriter = new CostWriter({
    store,
    take: () => ledger.take(systemClock.monotonicMs()),
    putBack: (rows) => ledger.putBack(rows),
    onWritten: onCosts,
    nowMs: () => systemClock.nowMs(),
    log,
  });
  costWriter.start();
  return { bookkeeper, ledger, explanations, costWriter };
}
