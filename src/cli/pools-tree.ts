import { DEFAULT_ACCOUNT_ID } from "../model/ids.ts";
import type {
  ContainerSnapshot,
  ContainerState,
  InstanceSnapshot,
  InstanceState,
  PoolsSnapshot,
} from "../model/snapshot.ts";
import { duration } from "./duration.ts";

type StyleName = "bold" | "dim" | "green" | "yellow" | "cyan";
type Paint = (style: StyleName, text: string) => string;

const INSTANCE_STYLES: Readonly<Record<InstanceState, StyleName>> = {
  launching: "yellow",
  warming: "cyan",
  active: "green",
  draining: "yellow",
};

const CONTAINER_STYLES: Readonly<Record<ContainerState, StyleName>> = {
  creating: "yellow",
  blank: "cyan",
  prewarming: "cyan",
  running: "green",
  idle: "dim",
  leaving: "yellow",
};

/** The pools as a tree of text: sub-pools, their instances, and the containers in each. */
export function poolsTree(pools: PoolsSnapshot, paint: Paint): string {
  const groups = [
    { title: "warming pool, fixed", has: (i: InstanceSnapshot) => isWarming(i) && i.subPool === "fixed" },
    { title: "warming pool, variable", has: (i: InstanceSnapshot) => isWarming(i) && i.subPool === "variable" },
    { title: "active pool", has: (i: InstanceSnapshot) => !isWarming(i) },
  ];
  const lines = groups.flatMap(({ title, has }) => {
    const instances = pools.instances.filter(has);
    const heading = `${paint("bold", title)}  ${instances.length === 1 ? "1 instance" : `${instances.length} instances`}`;
    return [heading, ...branches(instances.map((instance) => instanceLines(instance, pools.nowMs, paint)))];
  });
  return [...lines, waitingLine(pools)].join("\n");
}

function isWarming({ state }: InstanceSnapshot): boolean {
  return state === "launching" || state === "warming";
}

function instanceLines(instance: InstanceSnapshot, nowMs: number, paint: Paint): string[] {
  const { shape, accountId } = instance;
  const head = [
    instance.id,
    paint(INSTANCE_STYLES[instance.state], instance.state),
    `${instance.usedMemoryMiB} of ${shape.memoryMiB} MiB`,
    `${shape.cpuMilli / 1000} vCPU`,
    ...(accountId === undefined ? [] : [`account ${accountId}${accountId === DEFAULT_ACCOUNT_ID ? " (default)" : ""}`]),
    instance.offerId,
    ...(instance.isAtRisk === true && instance.endsAtMs === undefined ? [paint("yellow", "at risk")] : []),
    ...(instance.endsAtMs === undefined
      ? []
      : [paint("yellow", `taken away in ${duration(Math.max(0, instance.endsAtMs - nowMs))}`)]),
    paint("dim", duration(nowMs - instance.sinceMs)),
  ].join("  ");
  return [head, ...branches(instance.containers.map((container) => [containerLine(container, nowMs, paint)]))];
}

function containerLine(container: ContainerSnapshot, nowMs: number, paint: Paint): string {
  return [
    container.id,
    paint(CONTAINER_STYLES[container.state], container.state.padEnd("creating".length)),
    container.runtime.padEnd("provided.al2023".length),
    `${container.memoryMiB} MiB`,
    ...(container.functionKey === undefined ? [] : [container.functionKey]),
    ...(container.isProvisioned === true ? ["provisioned"] : []),
    ...(container.invocationId === undefined ? [] : [`invocation ${container.invocationId}`]),
    paint("dim", duration(nowMs - container.sinceMs)),
  ].join("  ");
}

/** Draws the lines that lead to each block of lines. */
function branches(blocks: readonly (readonly string[])[]): string[] {
  return blocks.flatMap((block, i) => {
    const isLast = i === blocks.length - 1;
    return block.map((line, j) => (j === 0 ? (isLast ? "└─ " : "├─ ") : isLast ? "   " : "│  ") + line);
  });
}

function waitingLine({ waiting, nowMs, counters }: PoolsSnapshot): string {
  const oldest =
    waiting.oldestSinceMs === undefined ? "" : `, the oldest for ${duration(nowMs - waiting.oldestSinceMs)}`;
  const held = waiting.heldCount === 0 ? "" : `, ${waiting.heldCount} of them held for a better time`;
  return `${waiting.count} waiting${oldest}${held}; since the start ${counters.coldStarts} cold and ${counters.warmStarts} warm starts`;
}
