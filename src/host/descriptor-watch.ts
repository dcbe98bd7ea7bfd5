import { once } from "node:events";
import { closeSync, writeSync } from "node:fs";
import { Worker } from "node:worker_threads";
import { checked, libc, makeEventFd } from "./libc.ts";

/** What to hear of: that an event descriptor was raised, or that the kernel changed one of its files. */
export type DescriptorEvent = "raised" | "changed";

const EPOLLIN = 0x001;
const EPOLLPRI = 0x002;
/** Told once per change, and not again and again until somebody reads it. */
const EPOLLET = 2 ** 31;
const MASKS: Readonly<Record<DescriptorEvent, number>> = { raised: EPOLLIN, changed: EPOLLPRI };
const EPOLL_CTL_ADD = 1;
const EPOLL_CLOEXEC = 0o2000000;
/** struct epoll_event is packed on x86-64 and nowhere else. */
const EVENT_BYTES = process.arch === "x64" ? 12 : 16;
const DATA_AT = EVENT_BYTES - 8;
const STOP_ID = 0;
const ONE = Buffer.from(new BigUint64Array([1n]).buffer);
/** It runs forty lines and holds nothing. */
const WORKER_LIMITS = { maxOldGenerationSizeMb: 16, maxYoungGenerationSizeMb: 1, stackSizeMb: 1 };

/**
 * Hears events of descriptors that Node itself cannot wait for. One thread waits for all of them in the kernel, from the
 * first `open` or `watch` to `close`; it takes some 10 MiB. Each event costs a thread switch, some tenths of a millisecond.
 */
export class DescriptorWatch {
  readonly #listeners = new Map<number, () => void>();
  #lastId = STOP_ID;
  #waiting: Waiting | undefined;

  /** Starts the thread ahead of the first `watch`, which takes some ms. */
  open(): void {
    this.#waiting ??= this.#start();
  }

  /** @param fd is the caller's to close, which ends the watch too; an event that is on its way is not told after `stop`. @returns stop. */
  watch(fd: number, event: DescriptorEvent, listener: () => void): () => void {
    this.open();
    const { epollFd } = this.#waiting as Waiting;
    this.#lastId += 1;
    const id = this.#lastId;
    this.#listeners.set(id, listener);
    add(epollFd, fd, MASKS[event], id);
    return () => void this.#listeners.delete(id);
  }

  /** Descriptors are not heard from any more; resolves when the thread has ended. */
  async close(): Promise<void> {
    this.#listeners.clear();
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (waiting === undefined) return;
    const { worker, stopFd, epollFd } = waiting;
    const ended = once(worker, "exit");
    writeSync(stopFd, ONE);
    await ended;
    closeSync(stopFd);
    closeSync(epollFd);
  }

  #start(): Waiting {
    const epollFd = checked(libc().epoll_create1(EPOLL_CLOEXEC), () => "epoll_create1");
    const stopFd = makeEventFd();
    add(epollFd, stopFd, EPOLLIN, STOP_ID);
    const worker = new Worker(`(${waitForEvents})()`, {
      eval: true,
      workerData: { epollFd, eventBytes: EVENT_BYTES, dataAt: DATA_AT, stopId: STOP_ID },
      execArgv: ["--disable-warning=ExperimentalWarning"],
      env: {},
      resourceLimits: WORKER_LIMITS,
    });
    worker.on("message", (ids: number[]) => {
      for (const id of ids) this.#listeners.get(id)?.();
    });
    // Nobody waits for the process to end because of it.
    worker.unref();
    return { epollFd, stopFd, worker };
  }
}

type Waiting = { readonly epollFd: number; readonly stopFd: number; readonly worker: Worker };

function add(epollFd: number, fd: number, mask: number, id: number): void {
  const event = Buffer.alloc(EVENT_BYTES);
  event.writeUInt32LE(mask + EPOLLET, 0);
  event.writeUInt32LE(id, DATA_AT);
  checked(libc().epoll_ctl(epollFd, EPOLL_CTL_ADD, fd, event), () => "epoll_ctl");
}

/** The thread's whole program. It is handed over as text: nothing outside of it may be used. */
function waitForEvents(): void {
  const { parentPort, workerData } = process.getBuiltinModule("node:worker_threads");
  const { epollFd, eventBytes, dataAt, stopId } = workerData;
  const EVENTS_MAX = 64;
  const events = Buffer.alloc(EVENTS_MAX * eventBytes);
  const { functions } = process.getBuiltinModule("node:ffi").dlopen("libc.so.6", {
    epoll_wait: { arguments: ["i32", "buffer", "i32", "i32"], return: "i32" },
  });
  for (;;) {
    // -1 when a signal came between: then there are no ids.
    const count = functions.epoll_wait(epollFd, events, EVENTS_MAX, -1) as number;
    const ids = Array.from({ length: Math.max(0, count) }, (_, n) => events.readUInt32LE(n * eventBytes + dataAt));
    if (ids.includes(stopId)) return;
    if (ids.length > 0) parentPort?.postMessage(ids);
  }
}
