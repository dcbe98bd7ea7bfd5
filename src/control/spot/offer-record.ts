/**
 * What happened with one offer, as far as it tells what will happen: refusals, losses, and how long its instances lived. The
 * market's own knowledge of its free capacity is not to be had; this is what is left.
 *
 *     trusted ──refused or lost──▶ doubted ──an instance of it became ready──▶ trusted
 *
 * A doubted offer is tried only when no trusted one will do, and then not before a pause that doubles with each refusal.
 * After SpotHedge (Mao et al., SkyServe, EuroSys'25), with the pause added.
 */
export class OfferRecord {
  #isTrusted = true;
  #refusals = 0;
  #notBeforeMs = 0;
  #lossCount = LOSSES_FIRST;
  #aliveMs = ALIVE_MS_FIRST;

  /** The offer had nothing, or the launch failed. */
  refused(nowMs: number): void {
    const pauseMs = Math.min(PAUSE_MS_MAX, PAUSE_MS_FIRST * 2 ** Math.min(this.#refusals, DOUBLINGS_MAX));
    this.#refusals++;
    this.#isTrusted = false;
    this.#notBeforeMs = Math.max(this.#notBeforeMs, nowMs + pauseMs);
  }

  /** An instance is being taken away: with the notice if there is one, else when it is gone. Once per instance. */
  lost(nowMs: number, aliveMs: number): void {
    this.#remember(aliveMs, 1);
    this.#isTrusted = false;
    this.#notBeforeMs = Math.max(this.#notBeforeMs, nowMs + PAUSE_MS_LOST);
  }

  /** An instance was given up by its owner: it has lived so long without a loss. */
  givenUp(aliveMs: number): void {
    this.#remember(aliveMs, 0);
  }

  /** A launch was granted: capacity is there again, though not yet proven to stay. */
  granted(): void {
    this.#refusals = 0;
    this.#notBeforeMs = 0;
  }

  /** An instance of it can be used. */
  succeeded(): void {
    this.granted();
    this.#isTrusted = true;
  }

  get isTrusted(): boolean {
    return this.#isTrusted;
  }

  /** When it may be tried again; in the past: now. */
  get notBeforeMs(): number {
    return this.#notBeforeMs;
  }

  /** How often an instance of it is lost, learned from its own; without any, once in 20 hours. */
  get lossesPerHour(): number {
    return this.#lossCount / (this.#aliveMs / HOUR_MS);
  }

  #remember(aliveMs: number, losses: number): void {
    const kept = Math.exp(-aliveMs / REMEMBERED_ALIVE_MS);
    this.#lossCount = this.#lossCount * kept + losses;
    this.#aliveMs = this.#aliveMs * kept + Math.max(0, aliveMs);
  }
}

const HOUR_MS = 3_600_000;
const PAUSE_MS_FIRST = 15_000;
const PAUSE_MS_MAX = 60_000;
const PAUSE_MS_LOST = 15_000;
const DOUBLINGS_MAX = 10;
/** Weak: one instance's fate outweighs it. */
const LOSSES_FIRST = 0.5;
const ALIVE_MS_FIRST = 10 * HOUR_MS;
/** Instance time after which most is forgotten; a market changes. */
const REMEMBERED_ALIVE_MS = 500 * HOUR_MS;
