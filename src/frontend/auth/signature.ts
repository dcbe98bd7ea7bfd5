import { createHmac, hash, timingSafeEqual } from "node:crypto";
import type { AccessKey } from "../../ports/store.ts";
import { type AuthRefusal, refusal } from "./auth-refusal.ts";
import { canonicalRequest, type SignedRequest } from "./canonical-request.ts";
import { ALGORITHM, type Credential } from "./credential.ts";

/** How far a client's clock may be off, as AWS allows. */
const SKEW_MS_MAX = 300_000;
/** Longest life of a presigned URL, as AWS allows. */
const EXPIRES_S_MAX = 604_800;
/** Signing keys are good for a day; beyond this many the cache starts again. */
const SIGNING_KEYS_MAX = 1000;

/** Services without regions: their clients sign for this one wherever they are. */
const GLOBAL_SERVICES = ["iam", "sts"];
const GLOBAL_REGION = "us-east-1";

const MISMATCH =
  "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details.";

/** Checks signatures of one region, Signature Version 4. */
export class SignatureVerifier {
  readonly #region: string;
  readonly #signingKeys = new Map<string, Buffer>();

  constructor(region: string) {
    this.#region = region;
  }

  /** What can be refused before the body has been read. @param services that the request may be signed for. */
  checkScope(
    credential: Credential,
    headers: SignedRequest["headers"],
    services: readonly string[],
    nowMs: number,
  ): AuthRefusal | undefined {
    const isGlobal = credential.region === GLOBAL_REGION && GLOBAL_SERVICES.includes(credential.service);
    if (credential.region !== this.#region && !isGlobal) {
      return refusal(
        "InvalidSignatureException",
        `Credential should be scoped to a valid region, not '${credential.region}'. `,
      );
    }
    if (!services.includes(credential.service)) {
      const names = services.map((service) => `'${service}'`).join(", ");
      return refusal("InvalidSignatureException", `Credential should be scoped to correct service: ${names}. `);
    }
    return checkTime(credential, nowMs) ?? checkSignedHeaders(credential, headers);
  }

  /** @returns undefined when the signature is the key's, over exactly this request. */
  verify(credential: Credential, key: AccessKey, request: SignedRequest): AuthRefusal | undefined {
    const declaredHash = request.headers["x-amz-content-sha256"];
    const canonical = canonicalRequest(request, credential);
    if (declaredHash !== undefined && !canonical.endsWith(`\n${declaredHash}`)) {
      return refusal(
        "InvalidSignatureException",
        "The value of x-amz-content-sha256 is not the hash of the request's body.",
      );
    }
    const scope = `${credential.date}/${credential.region}/${credential.service}/aws4_request`;
    const text = `${ALGORITHM}\n${credential.timestamp}\n${scope}\n${hash("sha256", canonical, "hex")}`;
    const expected = hmac(this.#signingKey(key, credential), text);
    const given = Buffer.from(credential.signature, "hex");
    const isEqual = given.length === expected.length && timingSafeEqual(given, expected);
    return isEqual ? undefined : refusal("InvalidSignatureException", MISMATCH);
  }

  #signingKey(key: AccessKey, { date, region, service }: Credential): Buffer {
    const cacheKey = `${date}/${region}/${service}/${key.secretAccessKey}`;
    const cached = this.#signingKeys.get(cacheKey);
    if (cached !== undefined) return cached;
    const parts = [date, region, service, "aws4_request"];
    const signingKey = parts.reduce<Buffer>(hmac, Buffer.from(`AWS4${key.secretAccessKey}`));
    if (this.#signingKeys.size >= SIGNING_KEYS_MAX) this.#signingKeys.clear();
    this.#signingKeys.set(cacheKey, signingKey);
    return signingKey;
  }
}

function hmac(key: Buffer, text: string): Buffer {
  return createHmac("sha256", key).update(text).digest();
}

function checkTime(credential: Credential, nowMs: number): AuthRefusal | undefined {
  const signedMs = timestampMs(credential.timestamp);
  if (Number.isNaN(signedMs))
    return refusal("IncompleteSignatureException", "Date must be in ISO-8601 'basic format'.");
  if (!credential.timestamp.startsWith(credential.date)) {
    return refusal(
      "InvalidSignatureException",
      "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP.",
    );
  }
  const { expiresS } = credential;
  if (expiresS !== undefined && expiresS > EXPIRES_S_MAX) {
    return refusal("IncompleteSignatureException", `X-Amz-Expires must be at most ${EXPIRES_S_MAX} seconds.`);
  }
  const goodForMs = expiresS === undefined ? SKEW_MS_MAX : expiresS * 1000;
  if (nowMs > signedMs + goodForMs) {
    const oldest = timestampOf(nowMs - goodForMs);
    return refusal(
      "InvalidSignatureException",
      `Signature expired: ${credential.timestamp} is now earlier than ${oldest} (${timestampOf(nowMs)} - ${goodForMs / 60_000} min.)`,
    );
  }
  if (signedMs > nowMs + SKEW_MS_MAX) {
    const latest = timestampOf(nowMs + SKEW_MS_MAX);
    return refusal(
      "InvalidSignatureException",
      `Signature not yet current: ${credential.timestamp} is still later than ${latest} (${timestampOf(nowMs)} + 5 min.)`,
    );
  }
  return undefined;
}

/**
 * A header that changes the meaning of a request must not be addable by someone on the way. A name that
 * is signed must be a header of the request's own: any other would be looked up in its prototype.
 */
function checkSignedHeaders(credential: Credential, headers: SignedRequest["headers"]): AuthRefusal | undefined {
  const { signedHeaders } = credential;
  if (!signedHeaders.includes("host")) {
    return refusal("InvalidSignatureException", "'Host' must be a 'SignedHeader' in the AWS Authorization.");
  }
  const unsent = signedHeaders.find((name) => !Object.hasOwn(headers, name));
  if (unsent !== undefined) {
    return refusal("InvalidSignatureException", `'${unsent}' is a 'SignedHeader' that the request does not have.`);
  }
  for (const name in headers) {
    if (name.startsWith("x-amz-") && !signedHeaders.includes(name)) {
      return refusal("InvalidSignatureException", `'${name}' must be a 'SignedHeader' in the AWS Authorization.`);
    }
  }
  return undefined;
}

/** NaN when it is no timestamp. */
function timestampMs(timestamp: string): number {
  const match = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(timestamp);
  if (match === null) return Number.NaN;
  const [, year, month, day, hour, minute, second] = match;
  return Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
}

function timestampOf(ms: number): string {
  return new Date(ms).toISOString().replace(/[-:]|\.\d{3}/g, "");
}
