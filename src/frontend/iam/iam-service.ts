import type { Clock } from "../../ports/clock.ts";
import type { IamPolicy, IamRole, IamTable } from "../../ports/iam-entities.ts";
import type { QueryService } from "../aws/query-service.ts";
import { policyOperations } from "./policy-operations.ts";
import { roleOperations } from "./role-operations.ts";

export type IamServiceOptions = {
  readonly roles: IamTable<IamRole>;
  readonly policies: IamTable<IamPolicy>;
  readonly clock: Clock;
};

/** Identity and Access Management (2010-05-08), as far as templates make roles for functions. Keeps them and grants nothing by them. */
export function iamService(options: IamServiceOptions): QueryService {
  return {
    version: "2010-05-08",
    namespace: "https://iam.amazonaws.com/doc/2010-05-08/",
    operations: { ...roleOperations(options), ...policyOperations(options) },
  };
}
