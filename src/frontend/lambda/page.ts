import { Violations } from "./violation.ts";

/** What a list request asks for. */
export type Page = {
  /** At most the server's own. */
  readonly itemsMax: number;
  /** The last item of the page before, as the answer to it named it; undefined: the first page is wanted. */
  readonly marker: string | undefined;
};

/** Reads `MaxItems` and `Marker`. @param itemsMax of a page. @throws LambdaError ValidationException. */
export function pageOf(query: URLSearchParams, itemsMax: number, askedMax = itemsMax): Page {
  const text = query.get("MaxItems") || undefined;
  const asked = text === undefined ? itemsMax : Number(text);
  const violations = new Violations();
  if (Number.isInteger(asked)) violations.range(asked, "maxItems", 1, askedMax);
  else violations.add(text, "maxItems", "Member must be an integer");
  violations.check();
  const marker = query.get("Marker") || undefined;
  return {
    itemsMax: Math.min(asked, itemsMax),
    marker: marker === undefined ? undefined : Buffer.from(marker, "base64url").toString(),
  };
}
