import type { QueryService } from "../aws/query-service.ts";

/** Security Token Service (2011-06-15), as far as clients ask it who they are. */
export function stsService(): QueryService {
  return {
    version: "2011-06-15",
    namespace: "https://sts.amazonaws.com/doc/2011-06-15/",
    operations: {
      // Access keys are an account's own: there are no users here.
      GetCallerIdentity: (_, accountId) => ({
        Arn: `arn:aws:iam::${accountId}:root`,
        UserId: accountId,
        Account: accountId,
      }),
    },
  };
}
