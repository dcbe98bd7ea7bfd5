import type { RouteRequest } from "../http-server.ts";
import { type ConstrainedOperation, inputViolations } from "./constraints.ts";

/** Members of one answer at most, whatever is asked for. */
const PAGE_ITEMS_MAX = 50;

/** Which part of a list a request is about. */
export type PageQuery = {
  /** Members of the answer at most. */
  readonly count: number;
  /** What the part before ended with; undefined: from the start. */
  readonly after: string | undefined;
};

/** Reads the part of a list that a request asks for, and checks its query. @throws LambdaError ValidationException. */
export function pageQueryOf(
  { query }: RouteRequest,
  operation: ConstrainedOperation,
  members: readonly string[] = [],
): PageQuery {
  const maxItems = query.get("MaxItems");
  const count = maxItems === null ? PAGE_ITEMS_MAX : Number(maxItems);
  const given = Object.fromEntries(members.map((member) => [member, query.get(member)]));
  const whole = Number.isInteger(count) ? { ...given, MaxItems: count } : given;
  const violations = inputViolations(operation, whole, ["FunctionName"]);
  if (!Number.isInteger(count)) violations.add(maxItems, "maxItems", "Member must be an integer");
  violations.check();
  const marker = query.get("Marker");
  return {
    count: Math.min(count, PAGE_ITEMS_MAX),
    after: marker === null ? undefined : Buffer.from(marker, "base64url").toString(),
  };
}

/**
 * A part of a list, with a marker if there is more: the name of its last member, so that it stays good while members come
 * and go.
 * @param found one more than the page has, if there is one.
 */
export function pageOf<T>(
  found: readonly T[],
  { count }: PageQuery,
  nameOf: (member: T) => string,
): { readonly members: readonly T[]; readonly next: { readonly NextMarker?: string } } {
  const members = found.slice(0, count);
  const last = members.at(-1);
  if (found.length <= count || last === undefined) return { members, next: {} };
  return { members, next: { NextMarker: Buffer.from(nameOf(last)).toString("base64url") } };
}
