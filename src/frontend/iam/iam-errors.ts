import { LambdaError } from "../lambda/lambda-error.ts";

/** @param what as IAM says it: `The role with name any`. */
export function noSuchEntity(what: string): LambdaError {
  return new LambdaError("NoSuchEntity", 404, `${what} cannot be found.`);
}

/** @param what `Role with name any`. */
export function alreadyExists(what: string): LambdaError {
  return new LambdaError("EntityAlreadyExists", 409, `${what} already exists.`);
}

export function deleteConflict(message: string): LambdaError {
  return new LambdaError("DeleteConflict", 409, message);
}

export function limitExceeded(message: string): LambdaError {
  return new LambdaError("LimitExceeded", 409, message);
}
