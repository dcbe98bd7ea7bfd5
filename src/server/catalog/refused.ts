import type { CatalogAnswer, CatalogRefusal } from "../../ports/catalog-answer.ts";

/** The answer to a change that was not made. */
export function refused(why: CatalogRefusal, detail?: string): CatalogAnswer<never> {
  return detail === undefined ? { kind: "refused", why } : { kind: "refused", why, detail };
}
