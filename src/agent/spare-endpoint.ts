import type { AgentLog } from "./agent-log.ts";
import { reasonOf } from "./agent-log.ts";
import { ContainerEndpoint } from "./container-endpoint.ts";

/** Keeps one endpoint listening ahead of its use: a blank container needs none, and a cold start does not wait for a port. */
export class SpareEndpoint {
  readonly #log: AgentLog;
  #spare: ContainerEndpoint | undefined;
  #isClosed = false;

  constructor(log: AgentLog) {
    this.#log = log;
    this.#refill();
  }

  /**
   * Gives an endpoint away: at once if there is one, else when it is made.
   *
   * @param use called once; with undefined when no port can be opened.
   */
  take(use: (endpoint: ContainerEndpoint | undefined) => void): void {
    const endpoint = this.#spare;
    this.#spare = undefined;
    if (endpoint === undefined) {
      void this.#open().then(use);
      return;
    }
    this.#refill();
    use(endpoint);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#spare?.close();
  }

  #refill(): void {
    void this.#open().then((endpoint) => {
      if (this.#spare === undefined && !this.#isClosed) this.#spare = endpoint;
      else void endpoint?.close();
    });
  }

  async #open(): Promise<ContainerEndpoint | undefined> {
    try {
      return await ContainerEndpoint.open();
    } catch (cause) {
      this.#log("error", "no port for a container's API", { code: "AGENT_FAULT", reason: reasonOf(cause) });
      return undefined;
    }
  }
}
