import { writeFileSync } from "node:fs";
import type { Cgroup } from "../../host/cgroup.ts";

/**
 * Who goes first when an instance, or its host, is out of memory: the kernel adds so many thousandths of the memory that
 * ran out to what a process holds, and kills the largest. Between a container that waits and one that works lie nine
 * tenths of the instance, so that the waiting one goes also when it is much smaller; and on the host a working one goes before
 * the agent and all else, which have 0, unless that is larger by a tenth of the host.
 */
export const OOM_SCORES = { waiting: 1000, working: 100 } as const;

/** What the processes of the container start later inherits it. Where the agent may not set it, all stay as they are. */
export function setOomPriority(cgroup: Cgroup, priority: keyof typeof OOM_SCORES): void {
  for (const pid of cgroup.processIds()) {
    try {
      writeFileSync(`/proc/${pid}/oom_score_adj`, String(OOM_SCORES[priority]));
    } catch (error) {
      // It ended meanwhile, or this is root without CAP_SYS_RESOURCE.
      if (!["ENOENT", "ESRCH", "EACCES", "EPERM"].includes((error as NodeJS.ErrnoException).code ?? "")) throw error;
    }
  }
}
