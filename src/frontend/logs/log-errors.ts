import { LambdaError } from "../lambda/lambda-error.ts";

export function groupMissing(): LambdaError {
  return new LambdaError("ResourceNotFoundException", 400, "The specified log group does not exist.");
}

export function streamMissing(): LambdaError {
  return new LambdaError("ResourceNotFoundException", 400, "The specified log stream does not exist.");
}

export function groupExists(): LambdaError {
  return new LambdaError("ResourceAlreadyExistsException", 400, "The specified log group already exists");
}

export function invalidParameter(message: string): LambdaError {
  return new LambdaError("InvalidParameterException", 400, message);
}
