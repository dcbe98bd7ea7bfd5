import { describe, expect, test } from "vitest";
import { HearthError } from "../../model/error-code.ts";
import { launchError, launchFaultOf } from "./ec2-error.ts";

function failure(name: string, httpStatusCode?: number): Error {
  const error = Object.assign(
    new Error("said by EC2"),
    httpStatusCode === undefined ? {} : { $metadata: { httpStatusCode } },
  );
  error.name = name;
  return error;
}

describe("a failure of EC2", () => {
  test.each([
    ["InsufficientInstanceCapacity", 500, "capacity"],
    ["VcpuLimitExceeded", 400, "capacity"],
    ["RequestLimitExceeded", 503, "unclear"],
    ["UnauthorizedOperation", 403, "refused"],
    ["InvalidParameterNobodyHeardOf", 400, "refused"],
    ["InvalidLaunchTemplateName.NotFoundException", 400, "unclear"],
    ["InvalidLaunchTemplateId.NotFound", 400, "unclear"],
    ["SomethingNew", 500, "unclear"],
    ["TimeoutError", undefined, "unclear"],
    ["ECONNREFUSED", undefined, "unclear"],
    ["Error", 200, "unclear"],
  ] as const)("%s (%s) is %s", (name, status, kind) => {
    expect(launchFaultOf(failure(name, status)).kind).toBe(kind);
  });

  test.each([undefined, null, "text", 5])("which is no error (%j) is unclear", (error) => {
    expect(launchFaultOf(error).kind).toBe("unclear");
    expect(launchError(error)).toMatchObject({ code: "LAUNCH_FAILED" });
  });

  test("of ours keeps its code where the port has it, and is a failed launch where not", () => {
    const insufficient = new HearthError("INSUFFICIENT_CAPACITY", "none");
    expect(launchError(insufficient)).toBe(insufficient);
    expect(launchError(new HearthError("STORE_FAILED", "disk full"))).toMatchObject({
      code: "LAUNCH_FAILED",
      message: expect.stringContaining("disk full"),
    });
  });

  test("is told with its cause and a remedy", () => {
    const cause = failure("VcpuLimitExceeded", 400);
    expect(launchError(cause)).toMatchObject({
      code: "INSUFFICIENT_CAPACITY",
      cause,
      message: expect.stringContaining("VcpuLimitExceeded: said by EC2; ask AWS for a higher quota"),
    });
  });
});
