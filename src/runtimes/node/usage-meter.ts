const { cpuUsage } = process;
const { rss } = process.memoryUsage;

/**
 * CPU time and memory of the process, for kinds of instances whose agent cannot measure from
 * outside. Both are system calls, so they are made only when asked for; else all is 0.
 */
export class UsageMeter {
  readonly #isOn: boolean;
  #begun: NodeJS.CpuUsage = { user: 0, system: 0 };

  constructor(isOn: boolean) {
    this.#isOn = isOn;
  }

  begin(): void {
    if (this.#isOn) this.#begun = cpuUsage();
  }

  /** CPU since `begin`, and the memory that the process holds now. */
  read(): { cpuUs: number; memoryBytes: number } {
    if (!this.#isOn) return OFF;
    const { user, system } = cpuUsage(this.#begun);
    return { cpuUs: user + system, memoryBytes: rss() };
  }
}

const OFF = { cpuUs: 0, memoryBytes: 0 };
