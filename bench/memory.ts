import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { load } from "./load/load.ts";
import { cpuUsOf, type MemoryUsage, memoryOf } from "./process-usage.ts";
import { median, rounded } from "./quantile.ts";
import { writeResult } from "./report.ts";
import { type InstanceGroups, instanceGroups } from "./sandbox-groups.ts";
import { HearthServer } from "./sides/hearth.ts";
import { printTable } from "./table.ts";
import { inWorkspace } from "./workspace.ts";

/**
 * What Hearth itself takes: memory of the server, of an agent and of a blank container of each runtime
 * while nothing happens, and CPU time of each part for one warm call. Reported; nothing is promised of it yet.
 */
const { values: options } = parseArgs({ options: { quick: { type: "boolean", default: false } } });
const IDLE_SECONDS = options.quick ? 1 : 10;
const ROUNDS = options.quick ? 1 : 5;
const SECONDS = options.quick ? 1 : 4;
const CALLERS = [1, 32];
const MEMORY_MIB = 256;
const BODY = Buffer.from('{"name":"world","n":1}');
const ECHO = readFileSync(join(import.meta.dirname, "sides/echo.mjs"));
const MEBIBYTE = 1024 * 1024;

type IdleRow = MemoryUsage & { readonly part: string; readonly groupMiB: number | undefined };
type CpuRow = {
  readonly callers: number;
  readonly serverUs: number;
  readonly agentUs: number;
  readonly containerUs: number;
  readonly totalUs: number;
};

await inWorkspace(async (folder) => {
  const server = await HearthServer.start(folder("hearth"));
  try {
    const idle = await measureIdle(server);
    await server.deploy({ name: "echo", memoryMiB: MEMORY_MIB, code: ECHO });
    const cpu: CpuRow[] = [];
    for (const callers of CALLERS) cpu.push(await measureCpu(server, callers));
    report(idle, cpu);
  } finally {
    await server.stop();
  }
});

async function measureIdle(server: HearthServer): Promise<IdleRow[]> {
  await server.until(({ instances }) => {
    const containers = instances.flatMap((instance) => instance.containers);
    return containers.length > 0 && containers.every(({ state }) => state === "blank");
  });
  await new Promise((resolve) => setTimeout(resolve, IDLE_SECONDS * 1000));
  const { instances } = await server.pools();
  const runtimeOf = new Map(instances.flatMap(({ containers }) => containers.map(({ id, runtime }) => [id, runtime])));
  const groups = instanceGroups(server.dataDir);
  return [
    { part: "server", ...memoryOf([server.pid]), groupMiB: undefined },
    ...groups.map(({ agent }) => idleRow("agent", agent)),
    ...groups.flatMap(({ containers }) =>
      [...containers].map(([id, group]) => idleRow(`blank ${runtimeOf.get(id as never) ?? "?"}`, group)),
    ),
  ];
}

function idleRow(part: string, group: InstanceGroups["agent"]): IdleRow {
  return { part, ...memoryOf(group.processIds()), groupMiB: group.memoryUsageBytes() / MEBIBYTE };
}

/** CPU time per call while a closed loop runs, by part; the load generator's is not counted. */
async function measureCpu(server: HearthServer, callers: number): Promise<CpuRow> {
  const side = server.side("hearth", "echo");
  await load({ side, body: BODY, callers, seconds: SECONDS });
  const rounds: Omit<CpuRow, "callers" | "totalUs">[] = [];
  for (let round = 1; round <= ROUNDS; round++) {
    const before = cpuByPart(server);
    const { requests } = await load({ side, body: BODY, callers, seconds: SECONDS });
    const after = cpuByPart(server);
    rounds.push({
      serverUs: (after.serverUs - before.serverUs) / requests,
      agentUs: (after.agentUs - before.agentUs) / requests,
      containerUs: (after.containerUs - before.containerUs) / requests,
    });
    console.log(`CPU per call, ${callers} callers: round ${round}/${ROUNDS}, ${requests} calls`);
  }
  const of = (part: "serverUs" | "agentUs" | "containerUs") => rounded(median(rounds.map((round) => round[part])));
  const parts = { serverUs: of("serverUs"), agentUs: of("agentUs"), containerUs: of("containerUs") };
  return { callers, ...parts, totalUs: rounded(parts.serverUs + parts.agentUs + parts.containerUs) };
}

/** Containers that come or go in a round would bend the sum: the warm-up has made all that are needed. */
function cpuByPart(server: HearthServer) {
  const groups = instanceGroups(server.dataDir);
  return {
    serverUs: cpuUsOf([server.pid]),
    agentUs: cpuUsOf(groups.flatMap(({ agent }) => agent.processIds())),
    containerUs: cpuUsOf(groups.flatMap(({ containers }) => [...containers.values()]).flatMap((c) => c.processIds())),
  };
}

function report(idle: readonly IdleRow[], cpu: readonly CpuRow[]): void {
  printTable(
    ["idle", "RSS MiB", "PSS MiB", "own MiB", "control group MiB"],
    idle.map(({ part, rssMiB, pssMiB, ownMiB, groupMiB }) => [part, rssMiB, pssMiB, ownMiB, groupMiB ?? "-"]),
  );
  printTable(
    ["CPU per warm call", "server µs", "agent µs", "container µs", "together µs"],
    cpu.map(({ callers, serverUs, agentUs, containerUs, totalUs }) => [
      `${callers} callers`,
      serverUs,
      agentUs,
      containerUs,
      totalUs,
    ]),
  );
  if (options.quick) return;
  const figures = { idleSeconds: IDLE_SECONDS, functionMemoryMiB: MEMORY_MIB, idle: idle.map(roundedRow), cpu };
  writeResult("memory", { figures, targets: [] });
}

function roundedRow({ part, rssMiB, pssMiB, ownMiB, groupMiB }: IdleRow) {
  const [rss, pss, own] = [rssMiB, pssMiB, ownMiB].map((mebibytes) => rounded(mebibytes));
  return { part, rssMiB: rss, pssMiB: pss, ownMiB: own, groupMiB: groupMiB === undefined ? null : rounded(groupMiB) };
}
