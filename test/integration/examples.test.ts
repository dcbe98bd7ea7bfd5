import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { skipUnless } from "../skip.ts";
import { NODE_RUNTIMES, NodeRuntimeProcess, nodeBinaryPath, RuntimeWorkshop } from "./node-runtime-process.ts";

const EXAMPLES = fileURLToPath(new URL("../../examples", import.meta.url));
const workshop = new RuntimeWorkshop();
// Outside the project, whose own package.json would make every `.js` an ES module.
const folder = mkdtempSync(join(tmpdir(), "hearth-examples-test-"));

beforeAll(async () => {
  cpSync(EXAMPLES, folder, { recursive: true });
  await workshop.open();
});
afterAll(() => {
  workshop.close();
  rmSync(folder, { recursive: true });
});

const names = readdirSync(EXAMPLES, { withFileTypes: true }).filter((entry) => entry.isDirectory());

for (const { name } of names) {
  const { runtime, handler, event } = JSON.parse(readFileSync(join(EXAMPLES, name, "function.json"), "utf8"));
  // Those of custom runtimes and Python have their tests in runtime-custom.test.ts and runtime-python-handlers.test.ts.
  if (!NODE_RUNTIMES.includes(runtime)) continue;
  const binary = nodeBinaryPath(runtime);
  test(`example ${name}`, skipUnless(binary !== undefined, `npm has no ${runtime} for this host`), async () => {
    const process = new NodeRuntimeProcess(binary ?? "", workshop.bundlePath);
    const environment = { AWS_LAMBDA_FUNCTION_MEMORY_SIZE: "128", TMPDIR: folder };
    try {
      expect(await process.init(join(folder, name), handler, environment)).toMatchObject({ kind: "initDone" });
      const answer = await process.invoke(event);
      expect(answer.kind).toBe("result");
      expect(JSON.parse(answer.text)).toBeTypeOf("object");
    } finally {
      await process.stop();
    }
  });
}
