/** Why a request is not who it says it is; AWS's exception name and message, always with status 403. */
export type AuthRefusal = {
  readonly type:
    | "MissingAuthenticationTokenException"
    | "UnrecognizedClientException"
    | "InvalidSignatureException"
    | "IncompleteSignatureException"
    | "AccessDeniedException";
  readonly message: string;
};

export function refusal(type: AuthRefusal["type"], message: string): AuthRefusal {
  return { type, message };
}
