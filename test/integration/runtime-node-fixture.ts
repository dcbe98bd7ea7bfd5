import { afterAll, afterEach, beforeAll, describe, expect } from "vitest";
import { skipUnless } from "../skip.ts";
import {
  NODE_RUNTIMES,
  type NodeRuntime,
  NodeRuntimeProcess,
  nodeBinaryPath,
  RuntimeWorkshop,
} from "./node-runtime-process.ts";

export type Files = Readonly<Record<string, string>>;
type RuntimeTests = (tools: ReturnType<typeof toolsFor>) => void;

export const workshop = new RuntimeWorkshop();
const processes: NodeRuntimeProcess[] = [];

/** The tests of a file, for each Node runtime that this host has. */
export function describeNodeRuntimes(testRuntime: RuntimeTests): void {
  beforeAll(() => workshop.open());
  afterAll(() => workshop.close());
  afterEach(async () => {
    for (const process of processes.splice(0)) await process.stop();
  });

  for (const runtime of NODE_RUNTIMES) {
    const binary = nodeBinaryPath(runtime);
    describe(runtime, skipUnless(binary !== undefined, `npm has no ${runtime} for this host`), () =>
      testRuntime(toolsFor(runtime, binary ?? "")),
    );
  }
}

function toolsFor(runtime: NodeRuntime, binary: string) {
  const is22 = runtime === "nodejs22.x";

  function start(environment: Record<string, string> = {}): NodeRuntimeProcess {
    const process = new NodeRuntimeProcess(binary, workshop.bundlePath, environment);
    processes.push(process);
    return process;
  }

  async function load(files: Files | string, handler = "index.handler", environment: Record<string, string> = {}) {
    const process = start();
    const root = workshop.writeFunction(typeof files === "string" ? { "index.js": files } : files);
    const answer = await process.init(root, handler, environment);
    return { process, answer, root };
  }

  async function ready(files: Files | string, handler?: string, environment?: Record<string, string>) {
    const loaded = await load(files, handler, environment);
    expect(loaded.answer).toMatchObject({ kind: "initDone" });
    return loaded.process;
  }

  return { is22, start, load, ready };
}
