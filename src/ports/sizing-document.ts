import type { SizingScope } from "../model/sizing.ts";
import type { ScopeSettings, SizedVersionView } from "./sizing-view.ts";

/** The answer of `/_hearth/sizing/account` and, with the versions, of `/_hearth/sizing/functions/NAME`. */
export type SizingAnswer = ScopeSettings & {
  readonly scope: SizingScope;
  readonly isStopped: boolean;
  /** Of a function. */
  readonly versions?: readonly SizedVersionView[];
};
