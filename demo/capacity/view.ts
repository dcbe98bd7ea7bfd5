import { setTimeout as delay } from "node:timers/promises";
import type { Terminal } from "../../src/cli/terminal.ts";
import type { Offer } from "../../src/model/capacity.ts";
import type { ContainerState, InstanceSnapshot } from "../../src/model/snapshot.ts";
import type { Operator } from "./client.ts";
import type { Caller } from "./load.ts";

const FRAME_MS = 500;
/** Without a terminal one line now and then is enough. */
const LINE_MS = 5_000;
const CLEAR_SCREEN = "\u001b[H\u001b[J";
const MARKS: Readonly<Record<ContainerState, string>> = {
  creating: "…",
  blank: "○",
  prewarming: "◔",
  running: "●",
  idle: "◐",
  leaving: "×",
};

type Parts = {
  readonly operator: Operator;
  readonly callers: readonly Caller[];
  readonly terminal: Terminal;
  /** Shows nothing. */
  readonly isQuiet: boolean;
};

/** What happens, while it happens: offers, pools, waits, answers; on a terminal as a picture that moves. */
export class View {
  readonly #parts: Parts;
  readonly #began = performance.now();
  #scene = "";
  #shownMs = Number.NEGATIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  start(): void {
    if (this.#parts.isQuiet) return;
    this.#timer = setInterval(() => void this.#show().catch(() => {}), FRAME_MS);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** What is going on now. */
  says(scene: string): void {
    this.#scene = scene;
    const { terminal, isQuiet } = this.#parts;
    if (!isQuiet && !terminal.stdout.isTTY) terminal.print(`${this.#clock()}  ── ${scene}`);
  }

  /** Waits for something to be true. @throws Error naming the scene when it does not become so. */
  async until(isSo: () => Promise<boolean>, msMax: number): Promise<void> {
    const untilMs = performance.now() + msMax;
    while (!(await isSo())) {
      if (performance.now() > untilMs) throw new Error(`it did not happen within ${msMax / 1000} s: ${this.#scene}`);
      await delay(FRAME_MS);
    }
  }

  async #show(): Promise<void> {
    const { operator, callers, terminal } = this.#parts;
    const isLive = terminal.stdout.isTTY;
    if (!isLive && performance.now() - this.#shownMs < LINE_MS) return;
    this.#shownMs = performance.now();
    const [offers, pools, waits] = await Promise.all([operator.offers(), operator.pools(), operator.waits()]);
    const waiting = (caller: Caller) => waits.entries.filter(({ accountId }) => accountId === caller.accountId);
    if (!isLive) {
      const each = callers.map((c) => `${c.name}: ${c.calls.length} answered, ${waiting(c).length} wait`).join("; ");
      return terminal.print(`${this.#clock()}  ${each}; ${offers.map(shortly).join(", ")}`);
    }
    const bold = (text: string) => terminal.style("bold", text);
    const lines = [
      `${bold("Hearth: fixed and variable capacity")}  ${this.#clock()}`,
      terminal.style("yellow", this.#scene),
      "",
      bold("offers"),
      ...offers.map((offer) => `  ${shortly(offer)}`),
      "",
      bold("instances"),
      ...pools.instances.map((instance) => `  ${this.#instanceLine(instance)}`),
      terminal.style("dim", "  ● running  ◐ idle  ○ blank  … being made  × leaving"),
      "",
      bold("callers"),
    ];
    for (const caller of callers) {
      const waitingNow = waiting(caller);
      lines.push(`  ${caller.name.padEnd(8)} ${caller.calls.length} answered, ${waitingNow.length} wait`);
      const causes = new Set(waitingNow.flatMap(({ waitsFor }) => waitsFor.map(({ text }) => text)));
      for (const cause of [...causes].slice(0, 3)) lines.push(terminal.style("dim", `           for ${cause}`));
    }
    terminal.stdout.write(`${CLEAR_SCREEN}${lines.join("\n")}\n`);
  }

  #instanceLine({ id, subPool, state, accountId, containers, endsAtMs, isAtRisk }: InstanceSnapshot): string {
    const owner = this.#parts.callers.find((caller) => caller.accountId === accountId)?.name ?? accountId ?? "nobody's";
    const marks = containers.map((container) => MARKS[container.state]).join("");
    const risk = endsAtMs !== undefined ? "  to be taken away" : isAtRisk ? "  at risk" : "";
    return `${id.padEnd(12)} ${subPool.padEnd(8)} ${state.padEnd(9)} ${owner.padEnd(9)} ${marks}${risk}`;
  }

  #clock(): string {
    const seconds = Math.floor((performance.now() - this.#began) / 1000);
    return `${String(Math.floor(seconds / 60)).padStart(2, "0")}:${String(seconds % 60).padStart(2, "0")}`;
  }
}

function shortly({ id, priceUsdPerHour, capacity, isAvailable }: Offer): string {
  const room = isAvailable ? `${capacity?.memoryMiB ?? "?"} MiB` : "nothing to be had";
  return `${id.split("/")[0]} ${priceUsdPerHour} USD/h, ${room}`;
}
