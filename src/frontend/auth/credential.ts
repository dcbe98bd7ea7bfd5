import { type AuthRefusal, refusal } from "./auth-refusal.ts";

/** What a signed request says of its signature, before anything is checked. */
export type Credential = {
  readonly accessKeyId: string;
  /** `20261121`. */
  readonly date: string;
  readonly region: string;
  readonly service: string;
  /** Lower-case, as they were signed, sorted. */
  readonly signedHeaders: readonly string[];
  readonly signature: string;
  /** `20261121T101112Z`. */
  readonly timestamp: string;
  /** Life of a presigned URL; undefined for a signature in a header. */
  readonly expiresS: number | undefined;
};

export const ALGORITHM = "AWS4-HMAC-SHA256";

type Headers = Readonly<Record<string, string | string[] | undefined>>;

/** undefined: the request carries no signature at all. */
export function parseCredential(headers: Headers, rawQuery: string): Credential | AuthRefusal | undefined {
  const authorization = headers["authorization"];
  if (typeof authorization === "string") return fromHeader(authorization, headers);
  return rawQuery.includes("X-Amz-Signature=") ? fromQuery(new URLSearchParams(rawQuery)) : undefined;
}

/** The access key that an incomplete signature names, if it gets that far. */
export function namedAccessKeyId(headers: Headers, rawQuery: string): string | undefined {
  const authorization = headers["authorization"];
  if (typeof authorization === "string") return /Credential=([^/,\s]+)/.exec(authorization)?.[1];
  return new URLSearchParams(rawQuery).get("X-Amz-Credential")?.split("/")[0];
}

function fromHeader(authorization: string, headers: Headers): Credential | AuthRefusal {
  if (!authorization.startsWith(`${ALGORITHM} `)) {
    return refusal("IncompleteSignatureException", `Authorization header requires the algorithm ${ALGORITHM}.`);
  }
  const parts = new Map<string, string>();
  for (const part of authorization.slice(ALGORITHM.length + 1).split(",")) {
    const equals = part.indexOf("=");
    if (equals > 0) parts.set(part.slice(0, equals).trim(), part.slice(equals + 1).trim());
  }
  const timestamp = headers["x-amz-date"];
  return assemble({
    credential: parts.get("Credential"),
    signedHeaders: parts.get("SignedHeaders"),
    signature: parts.get("Signature"),
    timestamp: typeof timestamp === "string" ? timestamp : undefined,
    expires: undefined,
  });
}

function fromQuery(query: URLSearchParams): Credential | AuthRefusal {
  if (query.get("X-Amz-Algorithm") !== ALGORITHM) {
    return refusal("IncompleteSignatureException", `X-Amz-Algorithm must be ${ALGORITHM}.`);
  }
  return assemble({
    credential: query.get("X-Amz-Credential") ?? undefined,
    signedHeaders: query.get("X-Amz-SignedHeaders") ?? undefined,
    signature: query.get("X-Amz-Signature") ?? undefined,
    timestamp: query.get("X-Amz-Date") ?? undefined,
    expires: query.get("X-Amz-Expires") ?? "",
  });
}

type Parts = Record<"credential" | "signedHeaders" | "signature" | "timestamp" | "expires", string | undefined>;

function assemble(parts: Parts): Credential | AuthRefusal {
  const { credential, signedHeaders, signature, timestamp, expires } = parts;
  const missing = Object.entries({
    Credential: credential,
    SignedHeaders: signedHeaders,
    Signature: signature,
    "X-Amz-Date": timestamp,
  })
    .filter(([, value]) => value === undefined || value === "")
    .map(([name]) => name);
  if (missing.length > 0) {
    return refusal("IncompleteSignatureException", `The signature of the request lacks ${missing.join(", ")}.`);
  }
  const [accessKeyId = "", date = "", region = "", service = "", end, more] = (credential as string).split("/");
  if (accessKeyId === "" || end !== "aws4_request" || more !== undefined || !/^\d{8}$/.test(date)) {
    return refusal("IncompleteSignatureException", "Credential must be KEYID/YYYYMMDD/REGION/SERVICE/aws4_request.");
  }
  if (expires !== undefined && !/^\d{1,6}$/.test(expires)) {
    return refusal("IncompleteSignatureException", "X-Amz-Expires must be a number of seconds.");
  }
  return {
    accessKeyId,
    date,
    region,
    service,
    signedHeaders: (signedHeaders as string).split(";"),
    signature: signature as string,
    timestamp: timestamp as string,
    expiresS: expires === undefined ? undefined : Number(expires),
  };
}
