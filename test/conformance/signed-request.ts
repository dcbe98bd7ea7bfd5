import { Hash } from "@smithy/core/serde";
import { SignatureV4 } from "@smithy/signature-v4";

/** Headers of a GET signed by AWS's own signer, for paths that are no operation of the SDK. */
export async function signedHeaders(
  url: string,
  credentials: { readonly accessKeyId: string; readonly secretAccessKey: string },
): Promise<Record<string, string>> {
  const signer = new SignatureV4({
    service: "lambda",
    region: "us-east-1",
    credentials,
    sha256: Hash.bind(null, "sha256"),
  });
  const { protocol, hostname, host, pathname: path } = new URL(url);
  const request = { method: "GET", protocol, hostname, path, query: {}, headers: { host } };
  return (await signer.sign(request)).headers;
}
