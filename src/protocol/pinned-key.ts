import { createHash, X509Certificate } from "node:crypto";
import { open, readFile, rename } from "node:fs/promises";
import { z } from "zod";

/** A TLS identity of one's own: whoever knows its pin knows whom it talks to. */
export type PinnedKey = {
  readonly privateKeyPem: string;
  /** Self-signed; only its public key means anything. */
  readonly certificatePem: string;
  /** SHA-256 of the public key (SPKI), base64url. */
  readonly pin: string;
};

const storedKeySchema = z.object({ privateKeyPem: z.string(), certificatePem: z.string() });
/** Pins are checked, dates are not. */
const VALID_UNTIL = new Date("2999-12-31T00:00:00Z");

/** The pin of a certificate's public key. */
export function pinOf(certificate: X509Certificate): string {
  const spki = certificate.publicKey.export({ type: "spki", format: "der" });
  return createHash("sha256").update(spki).digest("base64url");
}

/**
 * The key in a file, which is made with its key if it is not there: whole or not at all, and for its owner alone.
 * @param name the certificate's common name, for people who look at it.
 * @throws Error naming the file when it cannot be read, holds no key, or cannot be written.
 */
export async function loadOrMakeKey(path: string, name: string): Promise<PinnedKey> {
  const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw error;
  });
  if (text !== undefined) return keyIn(path, text);
  const key = await makeKey(name);
  await writeWhole(path, JSON.stringify(key));
  return keyIn(path, JSON.stringify(key));
}

/** Replaces a file by one that is on disk, readable by its owner only. */
export async function writeWhole(path: string, text: string): Promise<void> {
  const draft = `${path}.draft`;
  const handle = await open(draft, "w", 0o600);
  try {
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(draft, path);
}

async function makeKey(name: string): Promise<z.infer<typeof storedKeySchema>> {
  // Loaded when needed: once in the life of a data directory.
  const { generate } = await import("selfsigned");
  const made = await generate([{ name: "commonName", value: name }], {
    keyType: "ec",
    curve: "P-256",
    algorithm: "sha256",
    notAfterDate: VALID_UNTIL,
  });
  return { privateKeyPem: made.private, certificatePem: made.cert };
}

function keyIn(path: string, text: string): PinnedKey {
  try {
    const stored = storedKeySchema.parse(JSON.parse(text));
    return { ...stored, pin: pinOf(new X509Certificate(stored.certificatePem)) };
  } catch (cause) {
    throw new Error(`${path} holds no key; remove it to have a new one made: what joined with it must join again`, {
      cause,
    });
  }
}
