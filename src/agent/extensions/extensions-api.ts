import { randomUUID } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { accept, refuse, refuseUnknown, reply } from "../api-answer.ts";
import { readSmallBody } from "../small-body.ts";
import type { EventRequest, Extension } from "./extension.ts";
import type { ExtensionBook, Refusal } from "./extension-book.ts";

export const EXTENSIONS_PREFIX = "/2020-01-01/extension/";

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** What `register` tells an extension of its function. */
export type FunctionFacts = {
  readonly functionName: string;
  readonly functionVersion: string;
  readonly handler: string;
  readonly accountId: string;
};

/** The Lambda Extensions API of one container. @param path of a request below `EXTENSIONS_PREFIX`. */
export function handleExtensionRequest(
  book: ExtensionBook,
  facts: FunctionFacts,
  path: string,
  request: IncomingMessage,
  response: ServerResponse,
): void {
  const operation = `${request.method} ${path}`;
  if (operation === "POST register") {
    readSmallBody(request, (body) => register(book, facts, request, response, body));
    return;
  }
  request.resume();
  if (operation === "GET event/next") {
    withExtension(book, request, response, (extension) => next(book, extension, response));
  } else if (operation === "POST init/error" || operation === "POST exit/error") {
    const state = path === "init/error" ? "InitError" : "ExitError";
    withExtension(book, request, response, (extension) => fail(book, extension, state, request, response));
  } else {
    refuseUnknown(request, response);
  }
}

/** Finds who asks; answers itself when that is nobody. */
export function withExtension(
  book: ExtensionBook,
  request: IncomingMessage,
  response: ServerResponse,
  then: (extension: Extension) => void,
): void {
  const id = headerOf(request, "lambda-extension-identifier");
  if (id === undefined || id === "") {
    forbid(response, {
      errorType: "Extension.MissingExtensionIdentifier",
      errorMessage: "Missing Lambda-Extension-Identifier header",
    });
  } else if (!UUID.test(id)) {
    forbid(response, {
      errorType: "Extension.InvalidExtensionIdentifier",
      errorMessage: "Invalid Lambda-Extension-Identifier",
    });
  } else {
    const extension = book.find(id.toLowerCase());
    if (extension !== undefined) then(extension);
    else
      forbid(response, { errorType: "Extension.UnknownExtensionIdentifier", errorMessage: `Unknown extension ${id}` });
  }
}

export function forbid(response: ServerResponse, { errorType, errorMessage }: Refusal): void {
  refuse(response, 403, errorType, errorMessage);
}

function register(
  book: ExtensionBook,
  facts: FunctionFacts,
  request: IncomingMessage,
  response: ServerResponse,
  body: Buffer | undefined,
): void {
  const name = headerOf(request, "lambda-extension-name") ?? "";
  if (name === "") {
    forbid(response, { errorType: "Extension.InvalidExtensionName", errorMessage: "Empty extension name" });
    return;
  }
  const events = eventsOf(body);
  if (typeof events === "string") {
    forbid(response, { errorType: "InvalidRequestFormat", errorMessage: events });
    return;
  }
  const registered = book.register(name, events);
  if ("errorType" in registered && "errorMessage" in registered) {
    forbid(response, registered);
    return;
  }
  const { accountId, ...rest } = facts;
  const features = (headerOf(request, "lambda-extension-accept-feature") ?? "").split(",").map((text) => text.trim());
  const answer = features.includes("accountId") ? { ...rest, accountId } : rest;
  reply(response, 200, answer, { "Lambda-Extension-Identifier": registered.id });
}

/** @returns the events, or what is wrong with the body. */
function eventsOf(body: Buffer | undefined): readonly string[] | string {
  if (body === undefined) return "request body too large";
  let parsed: { events?: unknown; configurationKeys?: unknown } | null;
  try {
    parsed = JSON.parse(body.toString()) as typeof parsed;
  } catch {
    return body.length === 0 ? "unexpected end of JSON input" : "request body is not JSON";
  }
  if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed)) return "request body is not an object";
  const keys = parsed.configurationKeys ?? [];
  if (!Array.isArray(keys)) return "configurationKeys is not a list";
  if (keys.length > 0) return "configurationKeys are deprecated; use environment variables instead";
  const events = parsed.events ?? [];
  const isList = Array.isArray(events) && events.every((event) => typeof event === "string");
  return isList ? (events as string[]) : "events is not a list of strings";
}

function next(book: ExtensionBook, extension: Extension, response: ServerResponse): void {
  const asked: EventRequest = {
    isOpen: () => response.socket?.destroyed === false,
    answer: (event) => reply(response, 200, event, { "Lambda-Extension-Event-Identifier": randomUUID() }),
  };
  const refusal = book.next(extension, asked);
  if (refusal !== undefined) forbid(response, refusal);
}

function fail(
  book: ExtensionBook,
  extension: Extension,
  state: "InitError" | "ExitError",
  request: IncomingMessage,
  response: ServerResponse,
): void {
  const errorType = headerOf(request, "lambda-extension-function-error-type") ?? "";
  if (errorType === "") {
    const errorMessage = "Lambda-Extension-Function-Error-Type not found";
    forbid(response, { errorType: "Extension.MissingHeader", errorMessage });
    return;
  }
  const refusal = book.fail(extension, state, errorType);
  if (refusal === undefined) accept(response);
  else forbid(response, refusal);
}

function headerOf(request: IncomingMessage, name: string): string | undefined {
  const value = request.headers[name];
  return typeof value === "string" ? value : undefined;
}
