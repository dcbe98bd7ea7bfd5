import { afterAll, expect, test } from "vitest";
import { nodeExtension } from "./extension-fixture/programs.ts";
import { needsSandbox } from "./sandbox-fixture/requirement.ts";
import { HearthProcess } from "./server-fixture/hearth-process.ts";
import { LambdaCaller } from "./server-fixture/lambda-caller.ts";

const hearth = needsSandbox.skip === true ? undefined : await HearthProcess.start({ provider: "sandbox" });
const lambda = new LambdaCaller(() => hearth?.url ?? "");
afterAll(async () => {
  lambda.close();
  await hearth?.[Symbol.asyncDispose]();
});

test(
  "what an extension of a layer writes in its shutdown phase is in the log, also when the server ends",
  needsSandbox,
  async () => {
    const program = nodeExtension("/var/lang/bin/node", { atEvent: "say('has heard of it');" });
    const layer = await lambda.publishLayer("teller", { "extensions/teller": program });
    const files = { "index.mjs": "export const handler = async () => 'done';" };
    await lambda.deploy("told", { files, layers: [layer], memoryMiB: 512, timeoutS: 30 });
    expect((await lambda.invoke("told")).json).toBe("done");
    expect(await hearth?.stop()).toBe(0);
    await hearth?.start();
    const log = (await hearth?.functionLog("told")) ?? "";
    expect(log).toMatch(/teller INVOKE .*\n(.*\n)*teller SHUTDOWN spindown\nteller has heard of it\n$/);
  },
);
