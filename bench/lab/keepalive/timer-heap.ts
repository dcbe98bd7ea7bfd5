/** A binary heap of timers in typed arrays; timers of one moment ring in the order in which they were set. */
export class TimerHeap {
  #atMs = new Float64Array(1024);
  #order = new Float64Array(1024);
  #data = new Int32Array(3 * 1024);
  #size = 0;
  #pushed = 0;

  /** Infinity when there is none; the other `next…` mean nothing then. */
  get nextMs(): number {
    return this.#size === 0 ? Infinity : (this.#atMs[0] as number);
  }

  get nextKind(): number {
    return this.#data[0] as number;
  }

  get nextA(): number {
    return this.#data[1] as number;
  }

  get nextB(): number {
    return this.#data[2] as number;
  }

  push(atMs: number, kind: number, a: number, b: number): void {
    if (this.#size === this.#atMs.length) this.#grow();
    const order = this.#pushed++;
    let i = this.#size++;
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if ((this.#atMs[parent] as number) <= atMs) break;
      this.#move(parent, i);
      i = parent;
    }
    this.#set(i, atMs, order, kind, a, b);
  }

  pop(): void {
    const last = --this.#size;
    const atMs = this.#atMs[last] as number;
    const order = this.#order[last] as number;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= last) break;
      if (child + 1 < last && this.#isBefore(child + 1, child)) child++;
      if (!this.#isBeforeTime(child, atMs, order)) break;
      this.#move(child, i);
      i = child;
    }
    const d = 3 * last;
    this.#set(i, atMs, order, this.#data[d] as number, this.#data[d + 1] as number, this.#data[d + 2] as number);
  }

  #isBefore(a: number, b: number): boolean {
    return this.#isBeforeTime(a, this.#atMs[b] as number, this.#order[b] as number);
  }

  #isBeforeTime(a: number, atMs: number, order: number): boolean {
    const difference = (this.#atMs[a] as number) - atMs;
    return difference < 0 || (difference === 0 && (this.#order[a] as number) < order);
  }

  #move(from: number, to: number): void {
    const d = 3 * from;
    this.#set(
      to,
      this.#atMs[from] as number,
      this.#order[from] as number,
      this.#data[d] as number,
      this.#data[d + 1] as number,
      this.#data[d + 2] as number,
    );
  }

  #set(i: number, atMs: number, order: number, kind: number, a: number, b: number): void {
    this.#atMs[i] = atMs;
    this.#order[i] = order;
    this.#data[3 * i] = kind;
    this.#data[3 * i + 1] = a;
    this.#data[3 * i + 2] = b;
  }

  #grow(): void {
    const grown = this.#atMs.length * 2;
    const [atMs, order, data] = [this.#atMs, this.#order, this.#data];
    this.#atMs = new Float64Array(grown);
    this.#order = new Float64Array(grown);
    this.#data = new Int32Array(3 * grown);
    this.#atMs.set(atMs);
    this.#order.set(order);
    this.#data.set(data);
  }
}
