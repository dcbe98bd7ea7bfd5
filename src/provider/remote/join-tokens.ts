import { createHash, randomBytes, randomUUID } from "node:crypto";
import { HearthError } from "../../model/error-code.ts";
import type { InstanceId } from "../../model/ids.ts";
import type { HostInstance, HostStore, HostTerms, JoinTokenRecord } from "../../ports/remote-host.ts";

/** Tokens that have not expired yet, the used ones included. */
const TOKENS_MAX = 10_000;
const SECRET_BYTES = 32;

/** The join tokens that are good, by the hash of their secrets. */
export class JoinTokens {
  readonly #store: HostStore;
  readonly #tokens: Map<string, JoinTokenRecord>;

  private constructor(store: HostStore, tokens: readonly JoinTokenRecord[]) {
    this.#store = store;
    this.#tokens = new Map(tokens.map((token) => [token.secretSha256Hex, token]));
  }

  static async load(store: HostStore): Promise<JoinTokens> {
    return new JoinTokens(store, await store.loadJoinTokens());
  }

  /** @returns the secret, which nobody else knows. @throws HearthError STORE_FAILED, also when there are too many tokens. */
  async make(terms: HostTerms, instance: HostInstance | undefined, expiresMs: number, nowMs: number): Promise<string> {
    await this.#sweep(nowMs);
    if (this.#tokens.size >= TOKENS_MAX) throw new HearthError("STORE_FAILED", `${TOKENS_MAX} join tokens are good`);
    const secret = randomBytes(SECRET_BYTES).toString("base64url");
    const token = { secretSha256Hex: hashOf(secret), expiresMs, terms, instance, usedBy: undefined };
    // Known before it is written: it may be revoked meanwhile.
    this.#tokens.set(token.secretSha256Hex, token);
    await this.#write(token, undefined);
    return secret;
  }

  /**
   * Uses a token for the machine with this key. The same machine may use it again until it expires: the answer may not have
   * reached it.
   * @throws HearthError JOIN_REFUSED saying which of these it is: unknown, expired, used, withdrawn; STORE_FAILED.
   */
  async use(secret: string, keySha256: string, nowMs: number): Promise<JoinTokenRecord & { readonly hostId: string }> {
    const token = this.#tokens.get(hashOf(secret));
    if (token === undefined) throw new HearthError("JOIN_REFUSED", "this one is unknown");
    if (token.expiresMs <= nowMs) throw new HearthError("JOIN_REFUSED", "this one has expired");
    if (token.usedBy !== undefined && token.usedBy.keySha256 !== keySha256)
      throw new HearthError("JOIN_REFUSED", "this one was used by another machine");
    const usedBy = token.usedBy ?? { hostId: `h-${randomUUID()}`, keySha256 };
    // Taken before the disk is asked: two machines that come at once cannot both have it.
    this.#tokens.set(token.secretSha256Hex, { ...token, usedBy });
    if (token.usedBy === undefined) await this.#write({ ...token, usedBy }, token);
    return { ...token, hostId: usedBy.hostId };
  }

  /** Whether it was not revoked meanwhile. */
  isGood(secret: string): boolean {
    return this.#tokens.has(hashOf(secret));
  }

  /** Voids every token that was made for the instance. */
  async revoke(instanceId: InstanceId): Promise<void> {
    await this.#remove(({ instance }) => instance?.instanceId === instanceId);
  }

  /** Voids every token that the machine with this key used: it must not come back by one. */
  async revokeUsedBy(keySha256: string): Promise<void> {
    await this.#remove(({ usedBy }) => usedBy?.keySha256 === keySha256);
  }

  /** @param orElse what holds when it cannot be written down; undefined: nothing. @throws HearthError STORE_FAILED; JOIN_REFUSED: revoked meanwhile. */
  async #write(token: JoinTokenRecord, orElse: JoinTokenRecord | undefined): Promise<void> {
    const { secretSha256Hex } = token;
    const isGood = () => this.#tokens.has(secretSha256Hex);
    try {
      await this.#store.putJoinToken(token);
    } catch (error) {
      if (orElse === undefined) this.#tokens.delete(secretSha256Hex);
      else if (isGood()) this.#tokens.set(secretSha256Hex, orElse);
      throw error;
    }
    if (!isGood()) throw new HearthError("JOIN_REFUSED", "this one was withdrawn");
  }

  #sweep(nowMs: number): Promise<void> {
    return this.#remove(({ expiresMs }) => expiresMs <= nowMs);
  }

  async #remove(isVoid: (token: JoinTokenRecord) => boolean): Promise<void> {
    const found = [...this.#tokens.values()].filter(isVoid);
    for (const { secretSha256Hex } of found) this.#tokens.delete(secretSha256Hex);
    await Promise.all(found.map(({ secretSha256Hex }) => this.#store.deleteJoinToken(secretSha256Hex)));
  }
}

function hashOf(secret: string): string {
  return createHash("sha256").update(secret).digest("hex");
}
