import { fileURLToPath } from "node:url";
import { afterAll, afterEach, describe, expect } from "vitest";
import { type FoundPython, findPythons, probePython } from "../../src/images/pythons.ts";
import { skipUnless } from "../skip.ts";
import { NodeRuntimeProcess as RuntimeProcess, RuntimeWorkshop } from "./node-runtime-process.ts";

export type Files = Readonly<Record<string, string>>;
type RuntimeTests = (tools: ReturnType<typeof toolsFor>) => void;

export const PYTHON_RUNTIME = fileURLToPath(new URL("../../src/runtimes/python/python-runtime.py", import.meta.url));
/** As the agent starts it. */
const ARGUMENTS = ["-B", "-X", "utf8", PYTHON_RUNTIME];

export const workshop = new RuntimeWorkshop();
const processes: RuntimeProcess[] = [];

/** Those that functions get here, and the system's own where that is another one. */
export const interpreters = await findAll();

async function findAll(): Promise<readonly FoundPython[]> {
  const found = Object.values(await findPythons());
  const ofSystem = await probePython("/usr/bin/python3");
  const isNew = ofSystem !== undefined && !found.some(({ executable }) => executable === ofSystem.executable);
  return isNew && Number(ofSystem.version.split(".")[1]) >= 11 ? [...found, ofSystem] : found;
}

/** The tests of a file, for each Python that this host has; there must be one. */
export function describePythonRuntimes(testRuntime: RuntimeTests): void {
  afterAll(() => workshop.close());
  afterEach(async () => {
    for (const process of processes.splice(0)) await process.stop();
  });
  describe("Python", skipUnless(interpreters.length > 0, "needs Python 3.11 or newer"), () => {
    for (const python of interpreters) describe(python.version, () => testRuntime(toolsFor(python)));
  });
}

function toolsFor({ executable, version }: FoundPython) {
  function start(environment: Record<string, string> = {}): RuntimeProcess {
    const process = new RuntimeProcess(executable, ARGUMENTS, environment);
    processes.push(process);
    return process;
  }

  async function load(files: Files | string, handler = "index.handler", environment: Record<string, string> = {}) {
    const process = start();
    const root = workshop.writeFunction(typeof files === "string" ? { "index.py": files } : files);
    const answer = await process.init(root, handler, environment);
    return { process, answer, root };
  }

  async function ready(files: Files | string, handler?: string, environment?: Record<string, string>) {
    const loaded = await load(files, handler, environment);
    expect(loaded.answer).toMatchObject({ kind: "initDone" });
    return loaded.process;
  }

  return { minor: Number(version.split(".")[1]), start, load, ready };
}
