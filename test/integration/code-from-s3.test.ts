import { CreateBucketCommand, PutBucketVersioningCommand, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ObjectRefusal } from "../../src/ports/object-source.ts";
import { createS3ObjectSource } from "../../src/store/s3/object-source.ts";
import { MotoServer, needsMoto } from "./moto-server.ts";
import { HearthProcess } from "./server-fixture/hearth-process.ts";
import { archiveOf } from "./server-fixture/lambda-caller.ts";

const REGION = "us-east-1";
const keys = { AWS_ACCESS_KEY_ID: "any", AWS_SECRET_ACCESS_KEY: "any", AWS_EC2_METADATA_DISABLED: "true" };

describe("function code in a bucket of moto's S3", needsMoto, () => {
  let moto: MotoServer;
  let s3: S3Client;

  beforeAll(async () => {
    Object.assign(process.env, keys);
    moto = await MotoServer.start();
    s3 = new S3Client({ endpoint: moto.url, region: REGION, forcePathStyle: true });
    await s3.send(new CreateBucketCommand({ Bucket: "code" }));
    const VersioningConfiguration = { Status: "Enabled" } as const;
    await s3.send(new PutBucketVersioningCommand({ Bucket: "code", VersioningConfiguration }));
  });
  afterAll(async () => {
    s3.destroy();
    await moto.stop();
  });

  const put = async (Key: string, Body: Buffer) => {
    const { VersionId } = await s3.send(new PutObjectCommand({ Bucket: "code", Key, Body }));
    return VersionId;
  };
  const source = () => createS3ObjectSource({ region: REGION, endpoint: moto.url });

  test("an object is read whole, the latest or an earlier one, up to its bound", async () => {
    const old = await put("a/b c.zip", Buffer.alloc(300_000, 1));
    await put("a/b c.zip", Buffer.alloc(10, 2));
    const place = { bucket: "code", key: "a/b c.zip", version: undefined };
    expect(await source().read(place, 10)).toEqual(Buffer.alloc(10, 2));
    expect(await source().read({ ...place, version: old }, 300_000)).toEqual(Buffer.alloc(300_000, 1));
    await expect(source().read({ ...place, version: old }, 299_999)).rejects.toMatchObject({ code: "CODE_TOO_LARGE" });
  });

  test("what is not there is refused in S3's words", async () => {
    const refusal = (code: string, message: string) => expect.objectContaining({ code, message });
    const missing = { bucket: "code", key: "none", version: undefined };
    await expect(source().read(missing, 1)).rejects.toEqual(refusal("NoSuchKey", "The specified key does not exist."));
    await expect(source().read({ ...missing, bucket: "none" }, 1)).rejects.toEqual(
      refusal("NoSuchBucket", "The specified bucket does not exist"),
    );
    const nobody = createS3ObjectSource({ region: REGION, endpoint: "http://127.0.0.1:9" });
    await expect(nobody.read(missing, 1)).rejects.toBeInstanceOf(ObjectRefusal);
  });

  test("a function runs what lies in the bucket", async () => {
    await put("one.zip", archiveOf({ "index.mjs": "export const handler = async () => 1;" }));
    await using hearth = await HearthProcess.start({
      provider: "process",
      args: ["--s3-endpoint", moto.url],
      env: keys,
    });
    const call = async (path: string, body: unknown, method = "POST") => {
      const answer = await fetch(`${hearth.url}/2015-03-31/functions${path}`, { method, body: JSON.stringify(body) });
      return { status: answer.status, said: await answer.json() };
    };
    const created = await call("", {
      FunctionName: "f",
      Runtime: "nodejs24.x",
      Handler: "index.handler",
      Role: "arn:aws:iam::000000000000:role/r",
      Code: { S3Bucket: "code", S3Key: "one.zip" },
    });
    expect(created.status).toBe(201);
    expect(await call("/f/invocations", {})).toEqual({ status: 200, said: 1 });
    const missing = await call("/f/code", { S3Bucket: "code", S3Key: "two.zip" }, "PUT");
    expect(missing).toMatchObject({
      status: 400,
      said: {
        message:
          "Error occurred while GetObject. S3 Error Code: NoSuchKey. S3 Error Message: The specified key does not exist.",
      },
    });
  });
});
