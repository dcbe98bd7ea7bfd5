import { ZIP_BYTES_MAX } from "../../ports/code-store.ts";
import { ObjectRefusal, type ObjectSource } from "../../ports/object-source.ts";
import type { CodePlace } from "./function-input.ts";
import { invalidParameter, tooLarge } from "./lambda-error.ts";

/** The archive of a request, wherever it is. @throws LambdaError when it is too large or cannot be had. */
export async function archiveAt(code: CodePlace, objects: ObjectSource): Promise<Buffer> {
  if (code.kind === "inline") {
    if (code.zip.length <= ZIP_BYTES_MAX) return code.zip;
    throw tooLarge(`Zipped size must be smaller than ${ZIP_BYTES_MAX} bytes`);
  }
  try {
    return await objects.read(code.place, ZIP_BYTES_MAX);
  } catch (error) {
    if (!(error instanceof ObjectRefusal)) throw error;
    throw invalidParameter(
      `Error occurred while GetObject. S3 Error Code: ${error.code}. S3 Error Message: ${error.message}`,
    );
  }
}
