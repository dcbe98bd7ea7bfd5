import { beforeEach, describe, test } from "vitest";
import { arn, catalog, createSettled, serveLambdaRoutes } from "./lambda-routes-fixture.ts";
import {
  account,
  type Case,
  check,
  f,
  functions,
  INVALID,
  MISSING,
  made,
  ofKind,
  pattern,
  provisioned,
  RESOURCE,
  reserved,
  tags,
  VALIDATION,
  violation,
} from "./recorded-error-fixture.ts";

/** Answers as they were recorded from AWS, one by one; what varies in them is filled in. */
serveLambdaRoutes();

describe("of the front door, with nothing but a message", () => {
  const weights = (version: string, value: Record<string, number>) => ({
    Name: "a",
    FunctionVersion: version,
    RoutingConfig: { AdditionalVersionWeights: value },
  });
  const VALUE =
    "Map value must satisfy constraint: [Member must have value less than or equal to 1.0, Member must have value greater than or equal to 0.0, Member must not be null]";
  const longName = arn.replace(/f$/, "x".repeat(141 - arn.length + 1));
  const cases: readonly Case[] = [
    [
      VALIDATION,
      400,
      pattern("2024", "name", "(?!^[0-9]+$)([a-zA-Z0-9-_]+)"),
      "POST",
      `${f}/aliases`,
      { Name: "2024", FunctionVersion: "1" },
    ],
    [
      VALIDATION,
      400,
      violation("'0'", "provisionedConcurrentExecutions", "Member must have value greater than or equal to 1"),
      "PUT",
      provisioned("1"),
      { ProvisionedConcurrentExecutions: 0 },
    ],
    [
      VALIDATION,
      400,
      violation("'InvalidValue'", "recursiveLoop", "Member must satisfy enum value set: [Terminate, Allow]"),
      "PUT",
      "/2024-08-31/functions/f/recursion-config",
      { RecursiveLoop: "InvalidValue" },
    ],
    [
      VALIDATION,
      400,
      violation(
        "'[sg_2]'",
        "vpcConfig.securityGroupIds",
        "Member must satisfy constraint: [Member must have length less than or equal to 1024, Member must have length greater than or equal to 0, Member must satisfy regular expression pattern: sg-[0-9a-zA-Z]*]",
      ),
      "POST",
      functions,
      made({ VpcConfig: { SecurityGroupIds: ["sg_2"] } }),
    ],
    [
      VALIDATION,
      400,
      violation(
        "'[subnet_2]'",
        "vpcConfig.subnetIds",
        "Member must satisfy constraint: [Member must have length less than or equal to 1024, Member must have length greater than or equal to 0, Member must satisfy regular expression pattern: subnet-[0-9a-z]*]",
      ),
      "POST",
      functions,
      made({ VpcConfig: { SubnetIds: ["subnet_2"] } }),
    ],
    [
      VALIDATION,
      400,
      violation(
        "'[X86_64]'",
        "architectures",
        "Member must satisfy constraint: [Member must satisfy enum value set: [x86_64, arm64], Member must not be null]",
      ),
      "POST",
      functions,
      made({ Architectures: ["X86_64"] }),
    ],
    [
      VALIDATION,
      400,
      violation("'[x86_64, arm64]'", "architectures", "Member must have length less than or equal to 1"),
      "PUT",
      `${f}/code`,
      { Architectures: ["x86_64", "arm64"], ZipFile: "" },
    ],
    [VALIDATION, 400, pattern(ofKind("foobar:f"), "resource", RESOURCE), "GET", tags(ofKind("foobar:f"))],
    [VALIDATION, 400, pattern("arn:aws:something", "resource", RESOURCE), "GET", tags("arn:aws:something")],
    [
      VALIDATION,
      400,
      pattern(ofKind("capacity-provider:p:alias"), "resource", RESOURCE),
      "GET",
      tags(ofKind("capacity-provider:p:alias")),
    ],
    [
      VALIDATION,
      400,
      violation(`'${longName}'`, "functionName", "Member must have length less than or equal to 140"),
      "POST",
      functions,
      made({ FunctionName: longName }),
    ],
    [
      VALIDATION,
      400,
      pattern(
        "invalid:function:name",
        "functionName",
        "(arn:(aws[a-zA-Z-]*)?:lambda:)?((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\\d{1}:)?(\\d{12}:)?(function:)?([a-zA-Z0-9-_]+)(:(\\$LATEST|[a-zA-Z0-9-_]+))?",
      ),
      "POST",
      functions,
      made({ FunctionName: "invalid:function:name" }),
    ],
    [
      VALIDATION,
      400,
      pattern(
        "arn:aws:lambda:us-east-1:123400000000@function:myfn",
        "functionName",
        "(arn:(aws[a-zA-Z-]*)?:lambda:)?((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\\d{1}:)?(\\d{12}:)?(function:)?([a-zA-Z0-9-_\\.]+)(:(\\$LATEST(\\.PUBLISHED)?|[a-zA-Z0-9-_]+))?",
      ),
      "POST",
      `${functions}/${encodeURIComponent("arn:aws:lambda:us-east-1:123400000000@function:myfn")}/invocations`,
    ],
    [
      VALIDATION,
      400,
      pattern("invalid-qualifier-with-?-char", "qualifier", "\\$(LATEST(\\.PUBLISHED)?)|[a-zA-Z0-9-_$]+"),
      "GET",
      `${f}?Qualifier=${encodeURIComponent("invalid-qualifier-with-?-char")}`,
    ],
    [
      VALIDATION,
      400,
      violation("'invalid'", "functionVersion", "Member must satisfy enum value set: [ALL]"),
      "GET",
      `${functions}?FunctionVersion=invalid`,
    ],
    [
      VALIDATION,
      400,
      violation(
        "'invalidOption'",
        "snapStart.applyOn",
        "Member must satisfy enum value set: [PublishedVersions, None]",
      ),
      "POST",
      functions,
      made({ SnapStart: { ApplyOn: "invalidOption" } }),
    ],
    [
      VALIDATION,
      400,
      pattern("r1", "role", "arn:(aws[a-zA-Z-]*)?:iam::\\d{12}:role/?[a-zA-Z_0-9+=,.@\\-_/]+"),
      "POST",
      functions,
      made({ Role: "r1" }),
    ],
    [
      VALIDATION,
      400,
      violation(
        "'{$LATEST=0.5}'",
        "routingConfig.additionalVersionWeights",
        "Map keys must satisfy constraint: [Member must have length less than or equal to 1024, Member must have length greater than or equal to 1, Member must satisfy regular expression pattern: [0-9]+]",
      ),
      "POST",
      `${f}/aliases`,
      weights("1", { $LATEST: 0.5 }),
    ],
    ...[-1, 2].map(
      (weight): Case => [
        VALIDATION,
        400,
        violation(`'{2=${weight}.0}'`, "routingConfig.additionalVersionWeights", VALUE),
        "POST",
        `${f}/aliases`,
        weights("1", { 2: weight }),
      ],
    ),
    [VALIDATION, 400, violation("null", "tagKeys", "Member must not be null"), "DELETE", tags(arn)],
    [
      INVALID,
      400,
      "$LATEST is not supported for an alias pointing to more than 1 version",
      "POST",
      `${f}/aliases`,
      weights("$LATEST", { 1: 0.5 }),
    ],
    [
      INVALID,
      400,
      " ReservedConcurrentExecutions  1 should not be lower than function's total provisioned concurrency [2].",
      "PUT",
      reserved,
      { ReservedConcurrentExecutions: 1 },
    ],
    [
      INVALID,
      400,
      "Specified ConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum value of [100].",
      "PUT",
      provisioned("1"),
      { ProvisionedConcurrentExecutions: 950 },
    ],
    [
      INVALID,
      400,
      "Specified ConcurrentExecutions for function is greater than account's unreserved concurrency [1000].",
      "PUT",
      provisioned("1"),
      { ProvisionedConcurrentExecutions: 1001 },
    ],
    [
      INVALID,
      400,
      "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum value of [100].",
      "PUT",
      reserved,
      { ReservedConcurrentExecutions: 901 },
    ],
    [
      MISSING,
      404,
      `The Lambda code signing configuration ${ofKind("code-signing-config:csc-0123456789abcdef0")} can not be found.`,
      "GET",
      `/2020-04-22/code-signing-configs/${encodeURIComponent(ofKind("code-signing-config:csc-0123456789abcdef0"))}`,
    ],
    [
      "RequestEntityTooLargeException",
      413,
      "Zipped size must be smaller than 52428800 bytes",
      "POST",
      functions,
      made({ Code: { ZipFile: Buffer.alloc(52_428_801).toString("base64") } }),
    ],
    [
      "RequestEntityTooLargeException",
      413,
      "Request must be smaller than 70167211 bytes for the CreateFunction operation",
      "POST",
      functions,
      "x".repeat(70_167_212),
    ],
  ];

  beforeEach(async () => {
    await createSettled({ Publish: true });
    await catalog.concurrency.provision(account, "f", "1", 2);
  });

  for (const given of cases) {
    test(`${given[0]} ${given[1]} ${given[2].slice(0, 200)}`, { timeout: 60_000 }, () => check(given, false));
  }
});
