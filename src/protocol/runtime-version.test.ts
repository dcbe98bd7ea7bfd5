import { expect, test } from "vitest";
import { runtimeVersionOf } from "./runtime-version.ts";

test.each([
  ["nodejs24.x", "nodejs:24.hearth"],
  ["python3.13", "python:3.13.hearth"],
  ["provided.al2023", "provided:al2023.hearth"],
] as const)("%s is %s", (runtime, name) => {
  const version = runtimeVersionOf(runtime, "eu-west-1");
  expect(version).toEqual({ name, arn: expect.stringMatching(/^arn:aws:lambda:eu-west-1::runtime:[0-9a-f]{64}$/) });
});

test("each runtime has a build of its own", () => {
  expect(runtimeVersionOf("nodejs22.x", "r").arn).not.toBe(runtimeVersionOf("nodejs24.x", "r").arn);
});
