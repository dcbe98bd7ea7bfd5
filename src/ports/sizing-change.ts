import type { SizingScope, SizingSettings } from "../model/sizing.ts";

/** What was said for one scope; what it does not say comes from the next wider one. `everywhere` has only a mode. */
export type SizingSaid = Partial<SizingSettings>;

/** Of the whole server: while it says mode `off`, everything gets what it requested and nothing is decided. */
export type ServerSizingScope = SizingScope | { readonly kind: "everywhere" };

/** One string for a scope; function names hold no slash. */
export function scopeKeyOf(scope: ServerSizingScope): string {
  switch (scope.kind) {
    case "everywhere":
      return "";
    case "account":
      return scope.accountId;
    case "function":
      return `${scope.accountId}/${scope.functionName}`;
    default:
      return scope satisfies never;
  }
}

/** One change of what is said of sizes. The latest one of a scope says what is said. */
export type SizingChange = {
  readonly scope: ServerSizingScope;
  readonly changedMs: number;
  /** The access key that signed the change; `unsigned`: somebody on the server's own machine. */
  readonly changedBy: string;
  readonly before: SizingSaid;
  /** Empty: nothing is said any more. */
  readonly after: SizingSaid;
};

/** Changes of one scope that are kept; the oldest go first. */
export const SIZING_CHANGES_KEPT = 50;
