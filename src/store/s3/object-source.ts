import type { S3Client } from "@aws-sdk/client-s3";
import { HearthError } from "../../model/error-code.ts";
import { type ObjectPlace, ObjectRefusal, type ObjectSource } from "../../ports/object-source.ts";

const CONNECT_MS_MAX = 5_000;
/** Between two bytes of an answer. */
const IDLE_MS_MAX = 30_000;
/** Of the whole object. */
const READ_MS_MAX = 300_000;
const ATTEMPTS_MAX = 3;

export type S3Options = {
  readonly region: string;
  /** `http://HOST:PORT` of a store that speaks S3's protocol; undefined: AWS's own in the region. */
  readonly endpoint: string | undefined;
};

/** Objects in S3 or what speaks like it. The SDK is loaded with the first of them; credentials are those it finds. */
export function createS3ObjectSource(options: S3Options): ObjectSource {
  let opened: Promise<{ read(place: ObjectPlace, bytesMax: number): Promise<Buffer> }> | undefined;
  return {
    async read(place, bytesMax) {
      opened ??= open(options).catch((error: unknown) => {
        // Its code could not be loaded: there were no descriptors, which there will be again.
        opened = undefined;
        throw error;
      });
      return (await opened).read(place, bytesMax);
    },
  };
}

async function open({ region, endpoint }: S3Options): Promise<ObjectSource> {
  const { GetObjectCommand, S3Client, S3ServiceException } = await import("@aws-sdk/client-s3");
  const client: S3Client = new S3Client({
    region,
    // Never AWS_ENDPOINT_URL, which on the machine of who calls this server names this server.
    endpoint: endpoint ?? `https://s3.${region}.amazonaws.com`,
    // Stores of others have one host name for all buckets.
    forcePathStyle: endpoint !== undefined,
    maxAttempts: ATTEMPTS_MAX,
    requestHandler: { connectionTimeout: CONNECT_MS_MAX, requestTimeout: IDLE_MS_MAX, throwOnRequestTimeout: true },
  });
  return {
    async read({ bucket, key, version }, bytesMax) {
      const abortSignal = AbortSignal.timeout(READ_MS_MAX);
      try {
        const command = new GetObjectCommand({ Bucket: bucket, Key: key, VersionId: version });
        const { Body: body } = await client.send(command, { abortSignal });
        const chunks: Uint8Array[] = [];
        let bytes = 0;
        for await (const chunk of body as AsyncIterable<Uint8Array>) {
          bytes += chunk.length;
          if (bytes > bytesMax) throw new HearthError("CODE_TOO_LARGE", `the archive has more than ${bytesMax} bytes`);
          chunks.push(chunk);
        }
        return Buffer.concat(chunks);
      } catch (error) {
        if (error instanceof HearthError) throw error;
        if (error instanceof S3ServiceException) throw new ObjectRefusal(error.name, error.message);
        throw new ObjectRefusal("ServiceUnavailable", (error as Error).message);
      }
    },
  };
}
