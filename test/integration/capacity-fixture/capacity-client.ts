import { expect } from "vitest";
import type { Offer } from "../../../src/model/capacity.ts";
import type { AttemptExplanation, Explanation } from "../../../src/model/explanation.ts";
import type { CapacityAnswer, CapacityDocument } from "../../../src/ports/capacity-document.ts";
import type { CostsAnswer, WaitsAnswer } from "../../../src/ports/capacity-view.ts";
import { eventually } from "../server-fixture/eventually.ts";
import { type Answer, type InvokeAnswer, LambdaCaller } from "../server-fixture/lambda-caller.ts";

/** The account of callers without a signature. */
export const ACCOUNT = "000000000000";
export const capacityPath = `/_hearth/accounts/${ACCOUNT}/capacity`;
/** Of a machine that others keep busy. */
export const IN_TIME_MS = 60_000;

type Executed = Extract<AttemptExplanation, { kind: "executed" }>;

/** What operators and owners ask of a server about its capacity. */
export class CapacityClient {
  readonly lambda: LambdaCaller;
  readonly #url: () => string;

  /** @param url asked at each request. */
  constructor(url: () => string) {
    this.#url = url;
    this.lambda = new LambdaCaller(url);
  }

  async get<T>(path: string): Promise<T> {
    return (await (await fetch(this.#url() + path)).json()) as T;
  }

  put(document: CapacityDocument): Promise<Answer> {
    return this.lambda.request("PUT", capacityPath, JSON.stringify(document));
  }

  async set(document: CapacityDocument): Promise<void> {
    const { status, body } = await this.put(document);
    expect(status, body.toString()).toBe(200);
  }

  capacity(): Promise<CapacityAnswer> {
    return this.get(capacityPath);
  }

  async offers(): Promise<readonly Offer[]> {
    return (await this.get<{ offers: Offer[] }>("/_hearth/offers")).offers;
  }

  /** @param usdPerHour null: the provider's own. */
  price(offerId: string, usdPerHour: number | null): Promise<Answer> {
    return this.lambda.request("PUT", "/_hearth/offers/price", JSON.stringify({ offerId, usdPerHour }));
  }

  waits(): Promise<WaitsAnswer> {
    return this.get("/_hearth/waits?limit=1000");
  }

  /** Until so many wait or are held. */
  async waiting(count: number): Promise<WaitsAnswer> {
    const answer = await eventually(
      () => this.waits(),
      ({ entries }) => entries.length === count,
      IN_TIME_MS,
    );
    expect(answer.entries.length, "who wait").toBe(count);
    return answer;
  }

  costs(): Promise<CostsAnswer> {
    return this.get("/_hearth/costs");
  }

  explain(id: string): Promise<Explanation> {
    return this.get(`/_hearth/explain/${id}`);
  }

  /** The executions of an invocation so far. */
  async executions(id: string): Promise<Executed[]> {
    const { attempts = [] } = await this.explain(id);
    return attempts.filter((attempt) => attempt.kind === "executed");
  }

  /** @returns its request id. */
  async enqueue(name: string, payload: unknown = {}, headers: Readonly<Record<string, string>> = {}): Promise<string> {
    const answer = await this.lambda.request("POST", invocationsOf(name), JSON.stringify(payload), {
      "x-amz-invocation-type": "Event",
      ...headers,
    });
    expect(answer.status, answer.body.toString()).toBe(202);
    return String(answer.headers["x-amzn-requestid"]);
  }

  /** Until no accepted event is left. */
  async drained(): Promise<void> {
    const queued = async () => (await this.get<{ counts: { queuedEvents: number } }>("/_hearth/status")).counts;
    const { queuedEvents } = await eventually(queued, (counts) => counts.queuedEvents === 0, IN_TIME_MS);
    expect(queuedEvents, "events that are left").toBe(0);
  }
}

export function invocationsOf(name: string): string {
  return `/2015-03-31/functions/${name}/invocations`;
}

/** How a call ended that may have lost its connection. */
export async function fateOf(call: Promise<Answer | InvokeAnswer>): Promise<number | string> {
  try {
    return (await call).status;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? String(error);
  }
}
