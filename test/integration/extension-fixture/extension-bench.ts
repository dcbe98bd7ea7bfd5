import { mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ProviderKind } from "../../../src/model/capacity.ts";
import type { InstanceId } from "../../../src/model/ids.ts";
import { AgentHarness, type DeployedFunction, type FunctionSource } from "../agent-harness.ts";

/** Functions with external extensions, in containers of a real instance. */
export class ExtensionBench {
  readonly harness: AgentHarness;
  readonly #kind: ProviderKind;
  readonly #instanceId: InstanceId;

  private constructor(harness: AgentHarness, kind: ProviderKind, instanceId: InstanceId) {
    this.harness = harness;
    this.#kind = kind;
    this.#instanceId = instanceId;
  }

  static async start(kind: ProviderKind): Promise<ExtensionBench> {
    const harness = await AgentHarness.start(kind);
    return new ExtensionBench(harness, kind, await harness.launch());
  }

  /** What a program of an extension names as its interpreter. */
  get nodePath(): string {
    return this.#kind === "process" ? process.execPath : "/var/lang/bin/node";
  }

  /** @param extensions programs by their name. */
  async deploy(source: FunctionSource, extensions: Readonly<Record<string, string>> = {}): Promise<DeployedFunction> {
    const deployed = await this.harness.deploy(source);
    for (const optDir of this.#optDirs) {
      const directory = join(optDir, "extensions");
      rmSync(directory, { recursive: true, force: true });
      for (const [name, text] of Object.entries(extensions)) {
        mkdirSync(directory, { recursive: true });
        writeFileSync(join(directory, name), text, { mode: text.startsWith("#!") ? 0o755 : 0o644 });
      }
    }
    return deployed;
  }

  stop(): Promise<void> {
    return this.harness.stop();
  }

  /** One of them is what all containers of the instance see as /opt: images of other tests may be there too. */
  get #optDirs(): string[] {
    const { directory } = this.harness;
    if (this.#kind === "process") return [join(directory, "run/process", this.#instanceId, "opt")];
    const images = join(directory, "images");
    const bases = readdirSync(images).filter((name) => /^base-[0-9a-f]+$/.test(name));
    return bases.map((name) => join(images, name, "opt"));
  }
}
