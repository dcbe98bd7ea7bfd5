import { randomInt } from "node:crypto";
import { invalid, type QueryInput } from "../aws/query-input.ts";
import { members, type XmlElements } from "../aws/query-service.ts";
import { LambdaError } from "../lambda/lambda-error.ts";
import { limitExceeded } from "./iam-errors.ts";

/** As IAM's service model has them. */
export const ROLE_NAME = /^[\w+=,.@-]{1,64}$/;
export const POLICY_NAME = /^[\w+=,.@-]{1,128}$/;
const PATH = /^\/(?:[!-~]{1,510}\/)?$/;
const DOCUMENT_LENGTH_MAX = 131_072;
const DESCRIPTION_LENGTH_MAX = 1000;
const TAGS_MAX = 50;
const ID_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const ID_RANDOM_LENGTH = 17;
const PAGE_ITEMS_DEFAULT = 100;
const PAGE_ITEMS_MAX = 1000;

/** @returns `/` when none is given. @throws LambdaError ValidationError. */
export function pathIn(input: QueryInput): string {
  return input.text("Path") === undefined ? "/" : input.required("Path", PATH);
}

/** @throws LambdaError MalformedPolicyDocument: it is no JSON object. */
export function documentIn(input: QueryInput, name: string): string {
  const text = input.required(name);
  if (text.length > DOCUMENT_LENGTH_MAX)
    throw limitExceeded(`${name} is longer than ${DOCUMENT_LENGTH_MAX} characters.`);
  try {
    const document: unknown = JSON.parse(text);
    if (typeof document === "object" && document !== null && !Array.isArray(document)) return text;
  } catch {
    // Said below.
  }
  throw new LambdaError("MalformedPolicyDocument", 400, "Syntax errors in policy.");
}

/** @throws LambdaError ValidationError. */
export function descriptionIn(input: QueryInput): string | undefined {
  const text = input.text("Description");
  if (text === undefined || text === "") return undefined;
  if (text.length > DESCRIPTION_LENGTH_MAX)
    throw invalid(`Description is longer than ${DESCRIPTION_LENGTH_MAX} characters.`);
  return text;
}

/** What is there and what is added. @throws LambdaError LimitExceeded. */
export function withTags(tags: Readonly<Record<string, string>>, added: Readonly<Record<string, string>>) {
  const all = { ...tags, ...added };
  if (Object.keys(all).length > TAGS_MAX) throw limitExceeded(`An entity has at most ${TAGS_MAX} tags.`);
  return all;
}

export function withoutTags(tags: Readonly<Record<string, string>>, keys: readonly string[]): Record<string, string> {
  return Object.fromEntries(Object.entries(tags).filter(([key]) => !keys.includes(key)));
}

export function shownTags(tags: Readonly<Record<string, string>>): XmlElements {
  return members(Object.entries(tags).map(([Key, Value]) => ({ Key, Value })));
}

export function shownTime(ms: number): string {
  return new Date(ms).toISOString().replace(/\.\d{3}/, "");
}

/** A new unique id, `AROA…`. */
export function newId(prefix: string): string {
  return prefix + Array.from({ length: ID_RANDOM_LENGTH }, () => ID_LETTERS[randomInt(ID_LETTERS.length)]).join("");
}

/** The part of a list that a request asks for. @param nameOf by which the list is sorted. */
export function pageOf<T>(
  all: readonly T[],
  nameOf: (entity: T) => string,
  input: QueryInput,
): { readonly page: readonly T[]; readonly more: XmlElements } {
  const count = input.number("MaxItems", 1, PAGE_ITEMS_MAX) ?? PAGE_ITEMS_DEFAULT;
  const marker = input.text("Marker");
  const after = marker === undefined ? "" : Buffer.from(marker, "base64url").toString();
  const rest = all.filter((entity) => nameOf(entity) > after);
  const page = rest.slice(0, count);
  const last = rest.length > count ? page.at(-1) : undefined;
  if (last === undefined) return { page, more: { IsTruncated: false } };
  return { page, more: { IsTruncated: true, Marker: Buffer.from(nameOf(last)).toString("base64url") } };
}
