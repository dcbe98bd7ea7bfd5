import type { IncomingMessage, ServerResponse } from "node:http";

/** Answers as the HTTP interfaces inside an execution environment do: with JSON. */
export function reply(response: ServerResponse, status: number, body: unknown, headers?: Record<string, string>): void {
  const bytes = Buffer.from(JSON.stringify(body));
  response.writeHead(status, { "Content-Type": "application/json", "Content-Length": bytes.length, ...headers });
  response.end(bytes);
}

export function refuse(response: ServerResponse, status: number, errorType: string, errorMessage: string): void {
  reply(response, status, { errorMessage, errorType });
}

/** What was asked for has been taken note of. */
export function accept(response: ServerResponse): void {
  reply(response, 202, { status: "OK" });
}

/** Nobody serves this method and path. */
export function refuseUnknown({ method, url }: IncomingMessage, response: ServerResponse): void {
  refuse(response, 404, "NotFound", `No such operation: ${method} ${url}`);
}
