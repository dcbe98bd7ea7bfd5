import { Hash } from "@smithy/core/serde";
import { SignatureV4 } from "@smithy/signature-v4";
import fc from "fast-check";
import { expect, test } from "vitest";
import { signedHeaders } from "./signature.ts";

const credentials = { accessKeyId: "AKIAEXAMPLE", secretAccessKey: "wJalrXUtnFEMI/K7MDENG" };
const NOW_MS = Date.UTC(2026, 10, 21, 18, 0, 5, 678);

const reference = new SignatureV4({
  credentials,
  region: "eu-west-1",
  service: "lambda",
  sha256: Hash.bind(null, "sha256"),
});

test("signs as the AWS SDK's signer does, for any name, query and body", async () => {
  // The reference loses a parameter of this name.
  const parameterName = fc.string({ minLength: 1 }).filter((text) => text !== "__proto__");
  const query = fc.dictionary(parameterName, fc.string());
  await fc.assert(
    fc.asyncProperty(
      // The reference resolves dot segments of a path; no function has such a name.
      fc.string({ minLength: 1, unit: "grapheme" }).filter((text) => !/^\.{1,2}$/.test(text)),
      query,
      fc.uint8Array(),
      async (name, parameters, bytes) => {
        const path = `/2015-03-31/functions/${encodeURIComponent(name)}`;
        const search = new URLSearchParams(parameters).toString();
        const ours = signedHeaders(
          {
            method: "POST",
            host: "127.0.0.1:9600",
            path: search === "" ? path : `${path}?${search}`,
            headers: { "x-amz-invocation-type": "Event", "content-type": "application/json" },
            body: Buffer.from(bytes),
          },
          credentials,
          "eu-west-1",
          NOW_MS,
        );
        const { authorization: _, ...headers } = ours;
        const theirs = await reference.sign(
          {
            method: "POST",
            protocol: "http:",
            hostname: "127.0.0.1",
            path,
            query: parameters,
            headers,
            body: Buffer.from(bytes),
          },
          { signingDate: new Date(NOW_MS) },
        );
        expect(ours["authorization"]).toBe(theirs.headers["authorization"]);
      },
    ),
  );
});
