import { beforeEach, describe, expect, test } from "vitest";
import { zipOfEntries } from "../../ports/contract/zip-fixture.ts";
import { arn, buckets, catalog, create, createSettled, serveLambdaRoutes } from "./lambda-routes-fixture.ts";
import {
  absent,
  account,
  type Case,
  CONFLICT,
  check,
  ENUM,
  f,
  functions,
  INVALID,
  LARGE,
  LARGE_BESIDE_SMALL,
  MISSING,
  made,
  NOT_PUBLISHED,
  ofKind,
  PRECONDITION,
  provisioned,
  STALE,
  tags,
  tooLarge,
  UNQUALIFIED,
  unsupported,
  uuid,
  violation,
} from "./recorded-error-fixture.ts";

/** Answers as they were recorded from AWS, one by one; what varies in them is filled in. */
serveLambdaRoutes();

/** An archive that makes more than it may: the same answer as for too many bytes, and quicker made. */
function bomb(): Buffer {
  const folders = "d/".repeat(120);
  return zipOfEntries(Array.from({ length: 550 }, (_, index) => ({ name: `${index}/${folders}file` })));
}

describe("with the type User", () => {
  const cases: readonly Case[] = [
    [
      INVALID,
      400,
      "$LATEST version cannot be deleted without deleting the function.",
      "DELETE",
      `${f}?Qualifier=$LATEST`,
    ],
    [
      INVALID,
      400,
      violation(`'${"a".repeat(65)}'`, "functionName", "Member must have length less than or equal to 64"),
      "POST",
      functions,
      made({ FunctionName: "a".repeat(65) }),
    ],
    ...(["a".repeat(32), "somenonexistentsha256"] as const).map(
      (sha256): Case => [
        INVALID,
        400,
        `CodeSHA256 (${sha256}) is different from current CodeSHA256 in $LATEST (<code>). Please try again with the CodeSHA256 in $LATEST.`,
        "POST",
        `${f}/versions`,
        { CodeSha256: sha256 },
      ],
    ),
    [
      INVALID,
      400,
      "Could not unzip uploaded file. Please check your file, then try to upload again.",
      "POST",
      functions,
      made({ Code: { ZipFile: Buffer.from("nozip").toString("base64") } }),
    ],
    [
      INVALID,
      400,
      "Error occurred while DescribeSecurityGroups. EC2 Error Code: InvalidGroup.NotFound. EC2 Error Message: The security group 'sg-0' does not exist",
      "POST",
      functions,
      made({ VpcConfig: { SecurityGroupIds: ["sg-0"] } }),
    ],
    [
      INVALID,
      400,
      "Error occurred while DescribeSubnets. EC2 Error Code: InvalidSubnetID.NotFound. EC2 Error Message: The subnet ID 'subnet-0' does not exist",
      "PUT",
      `${f}/configuration`,
      { VpcConfig: { SubnetIds: ["subnet-0"], SecurityGroupIds: ["sg-0"] } },
    ],
    [
      INVALID,
      400,
      "Error occurred while GetObject. S3 Error Code: NoSuchBucket. S3 Error Message: The specified bucket does not exist",
      "POST",
      functions,
      made({ Code: { S3Bucket: "no-bucket", S3Key: "k" } }),
    ],
    [
      INVALID,
      400,
      "Error occurred while GetObject. S3 Error Code: NoSuchKey. S3 Error Message: The specified key does not exist.",
      "PUT",
      `${f}/code`,
      { S3Bucket: "bucket", S3Key: "no-key" },
    ],
    [
      INVALID,
      400,
      "Invalid function version 1. Function version 1 is already included in routing configuration.",
      "POST",
      `${f}/aliases`,
      { Name: "a", FunctionVersion: "1", RoutingConfig: { AdditionalVersionWeights: { 1: 0.5 } } },
    ],
    [INVALID, 400, tooLarge(LARGE), "POST", functions, made({ Environment: { Variables: LARGE } })],
    [
      INVALID,
      400,
      tooLarge(LARGE_BESIDE_SMALL),
      "PUT",
      `${f}/configuration`,
      { Environment: { Variables: LARGE_BESIDE_SMALL } },
    ],
    [
      INVALID,
      400,
      "Number of items in AdditionalVersionWeights cannot be greater than 1",
      "POST",
      `${f}/aliases`,
      { Name: "a", FunctionVersion: "1", RoutingConfig: { AdditionalVersionWeights: { 2: 0.5, 3: 0.2 } } },
    ],
    [
      INVALID,
      400,
      "Number of tags exceeds resource tag limit.",
      "POST",
      tags(arn),
      { Tags: Object.fromEntries(Array.from({ length: 51 }, (_, index) => [`t${index}`, ""])) },
    ],
    [
      INVALID,
      400,
      "Please don't provide ImageUri when updating a function with packageType Zip.",
      "PUT",
      `${f}/code`,
      { ImageUri: "000000000000.dkr.ecr.us-east-1.amazonaws.com/i:latest" },
    ],
    [
      INVALID,
      400,
      "Provisioned Concurrency Configs cannot be applied to unpublished function versions.",
      "PUT",
      provisioned("$LATEST"),
      { ProvisionedConcurrentExecutions: 1 },
    ],
    [
      INVALID,
      400,
      "Requested Provisioned Concurrency should not be greater than the reservedConcurrentExecution for function",
      "PUT",
      provisioned("1", "limited"),
      { ProvisionedConcurrentExecutions: 4 },
    ],
    [
      INVALID,
      400,
      "Tags on function aliases and versions are not supported. Please specify a function ARN.",
      "GET",
      tags(`${arn}:live`),
    ],
    [
      INVALID,
      400,
      "The derived qualifier from the function name does not match the specified qualifier.",
      "GET",
      `${f}:1?Qualifier=2`,
    ],
    [INVALID, 400, NOT_PUBLISHED, "GET", provisioned("$LATEST")],
    [INVALID, 400, NOT_PUBLISHED, "DELETE", provisioned("$LATEST")],
    ...["dotnetcore3.1", "go1.x", "java8", "nodejs12.x", "nodejs14.x", "provided", "python3.7", "ruby2.7"].map(
      (runtime): Case => [INVALID, 400, unsupported(runtime), "POST", functions, made({ Runtime: runtime })],
    ),
    [INVALID, 400, UNQUALIFIED, "PUT", `${f}:1/configuration`, {}],
    [INVALID, 400, UNQUALIFIED, "PUT", "/2017-10-31/functions/f:live/concurrency", { ReservedConcurrentExecutions: 1 }],
    [
      INVALID,
      400,
      "Unzipped size must be smaller than 262144000 bytes",
      "PUT",
      `${f}/code`,
      { DryRun: true, ZipFile: bomb().toString("base64") },
    ],
    ...["PYTHON3.9", "non-existent-runtime"].map(
      (runtime): Case => [
        INVALID,
        400,
        `Value ${runtime} at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: ${ENUM} or be a valid ARN`,
        "POST",
        functions,
        made({ Runtime: runtime }),
      ],
    ),
    [PRECONDITION, 412, STALE, "POST", `${f}/versions`, { RevisionId: "stale" }],
    [PRECONDITION, 412, STALE, "PUT", `${f}/aliases/live`, { RevisionId: "stale" }],
    [PRECONDITION, 412, STALE, "PUT", `${f}/configuration`, { RevisionId: "stale" }],
    [
      "ProvisionedConcurrencyConfigNotFoundException",
      404,
      "No Provisioned Concurrency Config found for this function",
      "GET",
      provisioned("live"),
    ],
    [
      CONFLICT,
      409,
      `Alias already exists: ${arn}:live`,
      "POST",
      `${f}/aliases`,
      { Name: "live", FunctionVersion: "1" },
    ],
    [
      CONFLICT,
      409,
      "Alias can't be used for Provisioned Concurrency configuration on an already Provisioned version",
      "PUT",
      provisioned("other", "limited"),
      { ProvisionedConcurrentExecutions: 1 },
    ],
    [
      CONFLICT,
      409,
      "Version is pointed by a Provisioned Concurrency alias",
      "PUT",
      provisioned("2", "limited"),
      { ProvisionedConcurrentExecutions: 1 },
    ],
    [CONFLICT, 409, "Function already exist: f", "POST", functions, made({ FunctionName: "f" })],
    [
      CONFLICT,
      409,
      "Unable to delete version because the following aliases reference it: [live]",
      "DELETE",
      `${f}?Qualifier=1`,
    ],
    [
      "CodeSigningConfigNotFoundException",
      404,
      "The code signing configuration cannot be found. Check that the provided configuration is not deleted: arn:aws:lambda:us-east-1:000000000000:code-signing-config:csc-0123456789abcdef0.",
      "POST",
      functions,
      made({ CodeSigningConfigArn: "arn:aws:lambda:us-east-1:000000000000:code-signing-config:csc-0123456789abcdef0" }),
    ],
    [MISSING, 404, `Alias not found: ${arn}:non-existent`, "PUT", `${f}/aliases/non-existent`, { Description: "d" }],
    [MISSING, 404, `Cannot find alias arn: ${arn}:non-existent`, "GET", `${f}/aliases/non-existent`],
    [MISSING, 404, `Cannot find alias arn: ${arn}:noalias`, "GET", provisioned("noalias")],
    [MISSING, 404, `Cannot find alias arn: ${absent}:noalias`, "GET", provisioned("noalias", "doesnotexist")],
    [MISSING, 404, `Function not found: ${arn}:10`, "PUT", provisioned("10"), { ProvisionedConcurrentExecutions: 1 }],
    [MISSING, 404, `Function not found: ${absent}:1`, "GET", provisioned("1", "doesnotexist")],
    [MISSING, 404, `Function not found: ${absent}`, "GET", `${functions}/doesnotexist`],
    [MISSING, 404, `Function not found: ${absent}`, "DELETE", `${functions}/doesnotexist`],
    [MISSING, 404, `Function not found: ${absent}`, "POST", `${functions}/doesnotexist/versions`, {}],
    [MISSING, 404, `Function not found: ${absent}`, "GET", `${functions}/doesnotexist/versions`],
    [MISSING, 404, `Function not found: ${absent}`, "GET", `${functions}/doesnotexist/aliases`],
    [MISSING, 404, `Function not found: ${absent}`, "GET", tags(absent)],
    [MISSING, 404, `Function not found: ${absent}`, "GET", "/2019-09-30/functions/doesnotexist/concurrency"],
    [MISSING, 404, `Function not found: ${absent}`, "GET", "/2024-08-31/functions/doesnotexist/recursion-config"],
    [
      MISSING,
      404,
      `Function not found: ${absent}`,
      "GET",
      "/2021-07-20/functions/doesnotexist/runtime-management-config",
    ],
    [MISSING, 404, `Function not found: ${absent}`, "GET", "/2020-06-30/functions/doesnotexist/code-signing-config"],
    [MISSING, 404, `Function not found: ${absent}:$LATEST`, "GET", `${functions}/doesnotexist?Qualifier=$LATEST`],
    [
      MISSING,
      404,
      `Function not found: ${absent}:$LATEST`,
      "PUT",
      "/2017-10-31/functions/doesnotexist/concurrency",
      { ReservedConcurrentExecutions: 1 },
    ],
    [INVALID, 400, "An error occurred and the request cannot be processed.", "POST", tags(arn), { Tags: {} }],
    [MISSING, 404, `Function not found: ${arn}:42`, "GET", `${f}?Qualifier=42`],
    [MISSING, 404, `Function not found: ${arn}:1221`, "POST", `${f}/invocations?Qualifier=1221`, {}],
    [
      MISSING,
      404,
      `Function not found: ${arn}:aliasdoesnotexist`,
      "GET",
      `${f}/configuration?Qualifier=aliasdoesnotexist`,
    ],
    [
      MISSING,
      404,
      `Function not found: ${arn}:non-existent-alias`,
      "POST",
      `${f}/invocations?Qualifier=non-existent-alias`,
    ],
    [
      MISSING,
      404,
      `Function not found: ${arn}:valid-with-$-but-doesnotexist`,
      "GET",
      `${f}?Qualifier=valid-with-$-but-doesnotexist`,
    ],
    [
      MISSING,
      404,
      "Functions from 'ap-southeast-1' are not reachable in this region ('us-east-1')",
      "GET",
      `${functions}/${encodeURIComponent(arn.replace("us-east-1", "ap-southeast-1"))}`,
    ],
    [
      MISSING,
      404,
      `Event source mapping not found: ${ofKind(`event-source-mapping:${uuid}`)}`,
      "GET",
      tags(ofKind(`event-source-mapping:${uuid}`)),
    ],
    [
      MISSING,
      404,
      `Capacity provider not found: ${ofKind("capacity-provider:p")}`,
      "GET",
      tags(ofKind("capacity-provider:p")),
    ],
  ];

  beforeEach(async () => {
    buckets.set("bucket", new Map());
    await createSettled({ Publish: true });
    await create({ FunctionName: "limited", Publish: true });
    const anyRevision = { revisionId: undefined };
    await expect.poll(() => catalog.get(account, "limited")?.state).toBe("Active");
    await catalog.updateSettings(account, "limited", { timeoutMs: 4000 }, anyRevision);
    await expect.poll(() => catalog.get(account, "limited")?.lastUpdateStatus).toBe("Successful");
    await catalog.publish(account, "limited", { ...anyRevision, codeSha256: undefined, description: undefined });
    const to = (version: string) => ({ version, description: "", route: undefined });
    await catalog.aliases.create(account, "f", "live", to("1"));
    await catalog.aliases.create(account, "limited", "other", to("1"));
    await catalog.aliases.create(account, "limited", "second", to("2"));
    await catalog.concurrency.reserve(account, "limited", 4);
    await catalog.concurrency.provision(account, "limited", "1", 1);
    await catalog.concurrency.provision(account, "limited", "second", 1);
  });

  for (const [type, status, message, ...request] of cases) {
    test(`${type} ${status} ${message.slice(0, 200)}`, async () => {
      const code = Buffer.from(catalog.get(account, "f")?.code.sha256Hex ?? "", "hex").toString("base64");
      await check([type, status, message.replace("<code>", code), ...request], true);
    });
  }
});
