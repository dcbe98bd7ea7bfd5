import type { IncomingMessage } from "node:http";
import { type AccountId, DEFAULT_ACCOUNT_ID } from "../../model/ids.ts";
import type { AccessKeys } from "../../ports/access-keys.ts";
import type { Clock } from "../../ports/clock.ts";
import type { AccessKey } from "../../ports/store.ts";
import { type AuthRefusal, refusal } from "./auth-refusal.ts";
import { type Credential, namedAccessKeyId, parseCredential } from "./credential.ts";
import { SignatureVerifier } from "./signature.ts";

export type AuthenticatorOptions = {
  readonly accessKeys: AccessKeys;
  readonly region: string;
  readonly clock: Clock;
  /** Bound to an address that other machines reach: then nobody is trusted without a signature. */
  readonly isSignatureRequired: boolean;
};

/** Who a request acts for, as far as its head tells. */
export type Identity =
  | { readonly kind: "trusted"; readonly accountId: AccountId }
  /** Becomes the account's once `verify` has seen the body. */
  | { readonly kind: "signed"; readonly accountId: AccountId; readonly credential: Credential; readonly key: AccessKey }
  | { readonly kind: "refused"; readonly refusal: AuthRefusal };

const TRUSTED: Identity = { kind: "trusted", accountId: DEFAULT_ACCOUNT_ID };
const UNKNOWN_KEY = "The security token included in the request is invalid.";

/**
 * Decides who a request acts for. Where no signature is required, requests without or with unknown
 * credentials act for the default account; a known access key always needs its signature.
 */
export class Authenticator {
  readonly #accessKeys: AccessKeys;
  readonly #clock: Clock;
  readonly #verifier: SignatureVerifier;
  readonly #isSignatureRequired: boolean;

  constructor(options: AuthenticatorOptions) {
    this.#accessKeys = options.accessKeys;
    this.#clock = options.clock;
    this.#verifier = new SignatureVerifier(options.region);
    this.#isSignatureRequired = options.isSignatureRequired;
  }

  /** Before the body is read: strangers are refused without being listened to. @param services that it may be signed for. */
  identify(request: IncomingMessage, rawQuery: string, services: readonly string[]): Identity {
    const credential = parseCredential(request.headers, rawQuery);
    if (credential === undefined) {
      return this.#stranger(refusal("MissingAuthenticationTokenException", "Missing Authentication Token"));
    }
    if ("message" in credential) {
      const accessKeyId = namedAccessKeyId(request.headers, rawQuery);
      const isKnown = accessKeyId !== undefined && this.#accessKeys.find(accessKeyId) !== undefined;
      return isKnown ? { kind: "refused", refusal: credential } : this.#stranger(credential);
    }
    const key = this.#accessKeys.find(credential.accessKeyId);
    if (key === undefined) return this.#stranger(refusal("UnrecognizedClientException", UNKNOWN_KEY));
    const refused = this.#verifier.checkScope(credential, request.headers, services, this.#clock.nowMs());
    if (refused !== undefined) return { kind: "refused", refusal: refused };
    return { kind: "signed", accountId: key.accountId, credential, key };
  }

  /** @returns undefined when the signature is valid. */
  verify(
    identity: Extract<Identity, { kind: "signed" }>,
    request: IncomingMessage,
    path: string,
    rawQuery: string,
    body: Buffer,
  ): AuthRefusal | undefined {
    const { method = "", headers } = request;
    return this.#verifier.verify(identity.credential, identity.key, { method, path, rawQuery, headers, body });
  }

  #stranger(why: AuthRefusal): Identity {
    return this.#isSignatureRequired ? { kind: "refused", refusal: why } : TRUSTED;
  }
}
