/**
 * What lets a machine join, as one string: `SECRET.PIN`. The secret is known to the server only as its SHA-256; the pin
 * is the SHA-256 of the server's public key (SPKI), by which the machine knows that it talks to that server before it
 * says the secret. Both are 32 bytes in base64url.
 */
export type JoinToken = { readonly secret: string; readonly serverKeySha256: string };

const PART = /^[A-Za-z0-9_-]{43}$/;

/** The string that `parseJoinToken` takes apart. */
export function formatJoinToken({ secret, serverKeySha256 }: JoinToken): string {
  return `${secret}.${serverKeySha256}`;
}

/** @returns undefined when the text is no join token. */
export function parseJoinToken(text: string): JoinToken | undefined {
  const [secret = "", serverKeySha256 = "", ...rest] = text.trim().split(".");
  const isToken = PART.test(secret) && PART.test(serverKeySha256) && rest.length === 0;
  return isToken ? { secret, serverKeySha256 } : undefined;
}
