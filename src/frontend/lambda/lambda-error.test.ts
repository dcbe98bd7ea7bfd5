import { expect, test } from "vitest";
import { HearthError } from "../../model/error-code.ts";
import { asLambdaError } from "./lambda-error.ts";

test("what is wrong with something that was sent is told in a header, the body being Lambda's", () => {
  const error = asLambdaError(new HearthError("CODE_CORRUPT", "bin/é\n\ud800 links out of the archive"));
  expect(error?.message).toBe("Could not unzip uploaded file. Please check your file, then try to upload again.");
  expect(error?.headers).toEqual({
    "x-hearth-error-code": "CODE_CORRUPT",
    "x-hearth-error-detail": "bin/%C3%A9%0A%EF%BF%BD links out of the archive",
  });
});

test("what is wrong with the server is not", () => {
  const error = asLambdaError(new HearthError("STORE_FAILED", "/var/lib/hearth: no space left"));
  expect(error?.headers).toEqual({ "x-hearth-error-code": "STORE_FAILED" });
});
