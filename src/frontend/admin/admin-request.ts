import type { IncomingMessage, ServerResponse } from "node:http";
import type { AccountId } from "../../model/ids.ts";

/** What the admin API needs of a request; the HTTP server's own type has more. */
export type AdminRequest = {
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
  readonly params: Readonly<Record<string, string | undefined>>;
  readonly body: Buffer;
  readonly principal: {
    readonly accountId: AccountId;
    /** undefined: nobody signed. */
    readonly accessKeyId?: string | undefined;
  };
};
