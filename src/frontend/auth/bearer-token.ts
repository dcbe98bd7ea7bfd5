import { hash, timingSafeEqual } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";
import { DEFAULT_ACCOUNT_ID } from "../../model/ids.ts";
import { refusal } from "./auth-refusal.ts";
import type { Identity } from "./authenticator.ts";

/** The scheme's name is in any case, as all of HTTP's are. */
const BEARER = /^Bearer(?: +(.*))?$/i;

const OPERATOR: Identity = { kind: "trusted", accountId: DEFAULT_ACCOUNT_ID };
const REFUSED: Identity = {
  kind: "refused",
  refusal: refusal("UnrecognizedClientException", "The bearer token included in the request is invalid."),
};

/** A secret that clients which cannot sign send as it is (RFC 6750). Whoever has it acts for the operator, where it is asked for. */
export class BearerToken {
  readonly #sha256: Buffer;

  constructor(token: string) {
    this.#sha256 = sha256(token);
  }

  /** @returns undefined: the request carries no bearer token at all. */
  identify({ authorization }: IncomingHttpHeaders): Identity | undefined {
    const found = authorization === undefined ? null : BEARER.exec(authorization);
    if (found === null) return undefined;
    // Of hashes, which are of one length: how long it takes tells nothing of the token, not even how long that is.
    return timingSafeEqual(sha256(found[1] ?? ""), this.#sha256) ? OPERATOR : REFUSED;
  }
}

function sha256(token: string): Buffer {
  return hash("sha256", token, "buffer");
}
