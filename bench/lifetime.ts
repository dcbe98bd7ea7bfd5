import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { heldMiB, INSPECTABLE } from "./inspector.ts";
import { load } from "./load/load.ts";
import { memoryOf } from "./process-usage.ts";
import { rounded } from "./quantile.ts";
import { describeTarget, type Target, writeResult } from "./report.ts";
import { instanceGroups } from "./sandbox-groups.ts";
import { HearthServer } from "./sides/hearth.ts";
import { printTable } from "./table.ts";
import { inWorkspace } from "./workspace.ts";

/**
 * Nothing that Hearth remembers of a finished invocation may add up: memory of server, agent and
 * containers after many warm invocations beside that after a tenth of them.
 */
const { values: options } = parseArgs({ options: { quick: { type: "boolean", default: false } } });
const CALLS_AT_FIRST = options.quick ? 2_000 : 20_000;
const CALLS_AT_LAST = options.quick ? 10_000 : 200_000;
const CALLERS = 8;
const SLICE_SECONDS = options.quick ? 1 : 5;
/** So that what is done later, like writing logs, is done. */
const SETTLE_SECONDS = options.quick ? 1 : 5;
/** After collecting garbage: 180,000 forgotten records of 12 bytes. */
const HELD_GROWTH_MIB_MAX = 2;
/** Of what the system counts, garbage included: the ordinary breathing of a heap. */
const OWN_GROWTH_MIB_MAX = 32;
const MEMORY_MIB = 256;
const BODY = Buffer.from('{"name":"world","n":1}');
const ECHO = readFileSync(join(import.meta.dirname, "sides/echo.mjs"));

type Held = {
  readonly calls: number;
  /** After collecting garbage. */
  readonly serverHeldMiB: number;
  readonly serverMiB: number;
  readonly agentMiB: number;
  readonly containersMiB: number;
  readonly containers: number;
};

await inWorkspace(async (folder) => {
  const server = await HearthServer.start(folder("hearth"), INSPECTABLE);
  try {
    await server.deploy({ name: "echo", memoryMiB: MEMORY_MIB, code: ECHO });
    const atFirst = await heldAfter(server, 0, CALLS_AT_FIRST);
    const atLast = await heldAfter(server, atFirst.calls, CALLS_AT_LAST);
    report(atFirst, atLast);
  } finally {
    await server.stop();
  }
});

async function heldAfter(server: HearthServer, callsBefore: number, callsWanted: number): Promise<Held> {
  let calls = callsBefore;
  while (calls < callsWanted) {
    const side = server.side("hearth", "echo");
    calls += (await load({ side, body: BODY, callers: CALLERS, seconds: SLICE_SECONDS })).requests;
    console.log(`${calls.toLocaleString("en-US")} of ${callsWanted.toLocaleString("en-US")} calls`);
  }
  await new Promise((resolve) => setTimeout(resolve, SETTLE_SECONDS * 1000));
  const groups = instanceGroups(server.dataDir);
  // Blank containers were made at different times; only those of the function are compared.
  const { instances } = await server.pools();
  const idle = new Set<string>(
    instances.flatMap(({ containers }) => containers.filter(({ state }) => state === "idle").map(({ id }) => id)),
  );
  const pids = groups.flatMap(({ containers }) =>
    [...containers].filter(([id]) => idle.has(id)).flatMap(([, group]) => group.processIds()),
  );
  return {
    calls,
    serverMiB: rounded(memoryOf([server.pid]).ownMiB),
    serverHeldMiB: rounded(await heldMiB(server.logPath), 2),
    agentMiB: rounded(memoryOf(groups.flatMap(({ agent }) => agent.processIds())).ownMiB),
    containersMiB: rounded(memoryOf(pids).ownMiB),
    containers: idle.size,
  };
}

function report(atFirst: Held, atLast: Held): void {
  const row = ({ calls, serverHeldMiB, serverMiB, agentMiB, containersMiB, containers }: Held) => [
    `${calls.toLocaleString("en-US")} calls`,
    serverHeldMiB,
    serverMiB,
    agentMiB,
    containersMiB,
    containers,
  ];
  printTable(
    ["own memory after", "server's live MiB", "server MiB", "agents MiB", "containers MiB", "containers"],
    [row(atFirst), row(atLast)],
  );
  if (options.quick) return;
  const between = `from ${atFirst.calls} to ${atLast.calls} warm calls`;
  const growth = (part: "serverHeldMiB" | "agentMiB"): Pick<Target, "bound" | "measured" | "unit"> => ({
    bound: "atMost",
    measured: rounded(atLast[part] - atFirst[part], 2),
    unit: "MiB",
  });
  const { targets } = writeResult("lifetime", {
    figures: { callers: CALLERS, functionMemoryMiB: MEMORY_MIB, atFirst, atLast },
    targets: [
      {
        id: "lifetime.server",
        says: `live memory (after collecting garbage) that the server gained ${between}`,
        target: HELD_GROWTH_MIB_MAX,
        ...growth("serverHeldMiB"),
      },
      {
        id: "lifetime.agent",
        says: `memory of their own that the agents gained ${between}`,
        target: OWN_GROWTH_MIB_MAX,
        ...growth("agentMiB"),
      },
    ],
  });
  for (const target of targets) console.log(describeTarget(target));
}
