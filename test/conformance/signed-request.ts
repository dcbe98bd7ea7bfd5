import { createHash, createHmac, type Hash, type Hmac } from "node:crypto";
import { SignatureV4 } from "@smithy/signature-v4";

/** What the signer wants of a hash function. */
class Sha256 {
  readonly #hash: Hash | Hmac;
  constructor(secret?: string | ArrayBuffer | ArrayBufferView) {
    this.#hash = secret === undefined ? createHash("sha256") : createHmac("sha256", secret as Buffer);
  }
  update(data: string | Uint8Array): void {
    this.#hash.update(data);
  }
  async digest(): Promise<Uint8Array> {
    return this.#hash.digest();
  }
}

/** Headers of a GET signed by AWS's own signer, for paths that are no operation of the SDK. */
export async function signedHeaders(
  url: string,
  credentials: { readonly accessKeyId: string; readonly secretAccessKey: string },
): Promise<Record<string, string>> {
  const signer = new SignatureV4({ service: "lambda", region: "us-east-1", credentials, sha256: Sha256 as never });
  const { protocol, hostname, host, pathname: path } = new URL(url);
  const request = { method: "GET", protocol, hostname, path, query: {}, headers: { host } };
  return (await signer.sign(request)).headers;
}
