import type { ServerResponse } from "node:http";
import XMLBuilder from "fast-xml-builder";
import type { AccountId } from "../../model/ids.ts";
import type { RouteRequest } from "../http-server.ts";
import { LambdaError } from "../lambda/lambda-error.ts";
import { QueryInput } from "./query-input.ts";

/** What an element holds: text, elements by their names, or lists of elements of one name. Members that are undefined are absent. */
export type XmlValue = string | number | boolean | undefined | XmlElements | readonly XmlElements[] | readonly string[];

/** Elements by their names. */
export type XmlElements = { readonly [name: string]: XmlValue };

/** One operation. undefined: it answers no more than that it is done. @throws LambdaError. */
export type QueryOperation = (
  input: QueryInput,
  accountId: AccountId,
) => XmlElements | undefined | Promise<XmlElements | undefined>;

/** What one service of AWS's query protocol can do, by the names of its operations. */
export type QueryService = {
  /** What `Version` says in its requests. */
  readonly version: string;
  readonly namespace: string;
  readonly operations: Readonly<Record<string, QueryOperation>>;
};

const builder = new XMLBuilder({ ignoreAttributes: false, attributeNamePrefix: "@" });

/** Performs what `Action` names, of the service of its `Version`. @throws LambdaError. */
export async function serveQuery(services: readonly QueryService[], request: RouteRequest): Promise<void> {
  const { res, body, principal, requestId } = request;
  const input = new QueryInput(body);
  const action = input.text("Action") ?? "";
  const service = services.find(({ version }) => version === input.text("Version"));
  const operation =
    service !== undefined && Object.hasOwn(service.operations, action) ? service.operations[action] : undefined;
  if (service === undefined || operation === undefined) {
    throw new LambdaError(
      "InvalidAction",
      400,
      `Could not find operation ${action} for version ${input.text("Version")}`,
    );
  }
  const result = await operation(input, principal.accountId);
  send(res, 200, requestId, {
    [`${action}Response`]: {
      "@xmlns": service.namespace,
      ...(result === undefined ? {} : { [`${action}Result`]: withoutAbsent(result) }),
      ResponseMetadata: { RequestId: requestId },
    },
  });
}

/** As this protocol's clients read errors. */
export function beginXmlError(response: ServerResponse, requestId: string, error: LambdaError): Buffer {
  const { type, status, message, headers } = error;
  const detail = { Type: status < 500 ? "Sender" : "Receiver", Code: type, Message: message };
  return begin(response, status, requestId, { ErrorResponse: { Error: detail, RequestId: requestId } }, headers);
}

/** A list, as this protocol has them. */
export function members(values: readonly XmlElements[] | readonly string[]): XmlElements {
  return values.length === 0 ? {} : { member: values };
}

function withoutAbsent(elements: XmlElements): XmlElements {
  return JSON.parse(JSON.stringify(elements)) as XmlElements;
}

function send(response: ServerResponse, status: number, requestId: string, elements: XmlElements): void {
  response.end(begin(response, status, requestId, elements, {}));
}

function begin(
  response: ServerResponse,
  status: number,
  requestId: string,
  elements: XmlElements,
  headers: Readonly<Record<string, string>>,
): Buffer {
  const body = Buffer.from(builder.build(elements));
  response.writeHead(status, {
    "Content-Type": "text/xml",
    "Content-Length": body.length,
    "x-amzn-RequestId": requestId,
    ...headers,
  });
  return body;
}
