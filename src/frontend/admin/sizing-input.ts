import type { SizingSettings } from "../../model/sizing.ts";
import type { SizingSaid } from "../../ports/sizing-change.ts";
import { faultOf, told, unexplainedIn } from "./document-fault.ts";
import { sizingSchema } from "./sizing-schema.ts";

export type SizingInput =
  | { readonly kind: "said"; readonly said: SizingSaid }
  /** Names every field that is wrong, what is wrong with it, and what to write instead. */
  | { readonly kind: "refused"; readonly message: string };

/** Parses what somebody says of sizes. @param inherited what holds where it says nothing. */
export function parseSizing(json: unknown, inherited: SizingSettings): SizingInput {
  const parsed = sizingSchema.safeParse(json, { error: unexplainedIn("docs/sizing.md") });
  if (!parsed.success) {
    return { kind: "refused", message: told(parsed.error.issues.map((issue) => faultOf(json, issue))) };
  }
  const given = Object.entries(parsed.data).filter(([, value]) => value !== undefined);
  const said = Object.fromEntries(given) as SizingSaid;
  const faults = contradictionsIn(said, { ...inherited, ...said });
  return faults.length > 0 ? { kind: "refused", message: told(faults) } : { kind: "said", said };
}

/** What makes no sense together, or has no effect. @param all what would hold. */
function contradictionsIn(said: SizingSaid, all: SizingSettings): string[] {
  const faults: string[] = [];
  if (said.sloMs !== undefined && all.policy !== "slo") {
    faults.push(`sloMs: belongs to policy slo, not to ${all.policy}; leave it out or say policy slo`);
  }
  for (const member of ["cpuMilliMin", "cpuMilliMax"] as const) {
    if (said[member] === undefined || all.cpu === "apart") continue;
    faults.push(`${member}: has no effect while CPU follows memory; leave it out or say cpu apart`);
  }
  if (all.memoryMiBMax !== undefined && all.memoryMiBMin > all.memoryMiBMax) {
    faults.push(
      `${said.memoryMiBMin === undefined ? "memoryMiBMax" : "memoryMiBMin"}: ` +
        `the smallest size, ${all.memoryMiBMin} MiB, is above the largest, ${all.memoryMiBMax}; exchange them`,
    );
  }
  if (all.cpuMilliMin > all.cpuMilliMax) {
    faults.push(
      `${said.cpuMilliMin === undefined ? "cpuMilliMax" : "cpuMilliMin"}: ` +
        `the least CPU, ${all.cpuMilliMin}, is above the most, ${all.cpuMilliMax}; exchange them`,
    );
  }
  return faults;
}
