import { UNZIPPED_BYTES_MAX, ZIP_BYTES_MAX } from "../../ports/code-store.ts";
import { CODE_STORAGE_BYTES_MAX, type FunctionCatalog } from "../../ports/function-catalog.ts";
import type { HttpServer } from "../http-server.ts";
import { sendJson } from "./send.ts";

/** Adds GetAccountSettings. @param concurrentExecutionsMax of each account. */
export function addAccountRoutes(server: HttpServer, catalog: FunctionCatalog, concurrentExecutionsMax: number): void {
  server.addRoute("GET", "/2016-08-19/account-settings", (request) => {
    const { accountId } = request.principal;
    const { functionCount, codeSizeBytes } = catalog.usage(accountId);
    sendJson(request, 200, {
      AccountLimit: {
        TotalCodeSize: CODE_STORAGE_BYTES_MAX,
        CodeSizeUnzipped: UNZIPPED_BYTES_MAX,
        CodeSizeZipped: ZIP_BYTES_MAX,
        ConcurrentExecutions: concurrentExecutionsMax,
        UnreservedConcurrentExecutions: concurrentExecutionsMax - catalog.concurrency.reservedSum(accountId),
      },
      AccountUsage: { TotalCodeSize: codeSizeBytes, FunctionCount: functionCount },
    });
  });
}
