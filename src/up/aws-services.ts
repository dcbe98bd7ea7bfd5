import { addServiceRoutes } from "../frontend/aws/service-routes.ts";
import type { HttpServer } from "../frontend/http-server.ts";
import { iamService } from "../frontend/iam/iam-service.ts";
import { logsService } from "../frontend/logs/logs-service.ts";
import { stsService } from "../frontend/sts/sts-service.ts";
import { systemClock } from "../ports/clock.ts";
import type { LogGroups } from "../ports/log-groups.ts";
import type { LogStore } from "../ports/log-store.ts";
import type { Store } from "../ports/store.ts";
import { openIamTable } from "../server/iam/iam-table.ts";

export type AwsServicesOptions = {
  readonly store: Pick<Store, "iamRoles" | "iamPolicies">;
  readonly logs: LogStore;
  readonly logGroups: LogGroups;
  readonly region: string;
};

/** Adds the services beside Lambda. @throws HearthError STORE_FAILED. */
export async function addAwsServices(http: HttpServer, options: AwsServicesOptions): Promise<void> {
  const { store, logs, logGroups: groups, region } = options;
  const roles = await openIamTable(store.iamRoles);
  const policies = await openIamTable(store.iamPolicies);
  addServiceRoutes(http, {
    logs: logsService({ groups, logs, clock: systemClock, region }),
    sts: stsService(),
    iam: iamService({ roles, policies, clock: systemClock }),
  });
}
