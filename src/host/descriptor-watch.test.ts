import { closeSync, readdirSync, writeSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { skipUnless } from "../../test/skip.ts";
import { DescriptorWatch } from "./descriptor-watch.ts";
import { makeEventFd } from "./libc.ts";

const ONE = Buffer.from(new BigUint64Array([1n]).buffer);
const IN_TIME = { timeout: 5000 };
const countOpen = () => readdirSync("/proc/self/fd").length;
const countThreads = () => readdirSync("/proc/self/task").length;

describe("a watch of descriptors", skipUnless(process.platform === "linux", "needs Linux"), () => {
  let watch: DescriptorWatch;
  const open: number[] = [];
  const raise = (fd: number) => writeSync(fd, ONE);
  const eventFd = () => {
    const fd = makeEventFd();
    open.push(fd);
    return fd;
  };

  beforeEach(() => {
    watch = new DescriptorWatch();
  });
  afterEach(async () => {
    await watch.close();
    for (const fd of open.splice(0)) closeSync(fd);
  });

  test("tells whose event it was, each time", async () => {
    const [a, b] = [eventFd(), eventFd()];
    const told: string[] = [];
    watch.watch(a, "raised", () => told.push("a"));
    watch.watch(b, "raised", () => told.push("b"));
    raise(b);
    await expect.poll(() => told, IN_TIME).toEqual(["b"]);
    raise(b);
    await expect.poll(() => told, IN_TIME).toEqual(["b", "b"]);
    raise(a);
    await expect.poll(() => told, IN_TIME).toEqual(["b", "b", "a"]);
  });

  test("tells nothing of what is watched no more", async () => {
    const [a, b] = [eventFd(), eventFd()];
    const told: string[] = [];
    const stop = watch.watch(a, "raised", () => told.push("a"));
    watch.watch(b, "raised", () => told.push("b"));
    stop();
    raise(a);
    raise(b);
    await expect.poll(() => told, IN_TIME).toEqual(["b"]);
  });

  test("leaves no descriptor and no thread, and can begin again", async () => {
    const fd = eventFd();
    const [descriptors, threads] = [countOpen(), countThreads()];
    for (let time = 0; time < 2; time += 1) {
      let wasTold = false;
      watch.watch(fd, "raised", () => {
        wasTold = true;
      });
      raise(fd);
      await expect.poll(() => wasTold, IN_TIME).toBe(true);
      await watch.close();
    }
    expect(countOpen()).toBe(descriptors);
    await expect.poll(countThreads, IN_TIME).toBeLessThanOrEqual(threads);
  });
});
