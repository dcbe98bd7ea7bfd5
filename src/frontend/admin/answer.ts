import type { ServerResponse } from "node:http";

/** An error in the form of Lambda's own, so that one client reads both. */
export function sendError(res: ServerResponse, status: number, type: string, message: string): void {
  res.setHeader("x-amzn-ErrorType", type);
  sendJson(res, status, { Type: status < 500 ? "User" : "Service", message });
}

export function sendJson(res: ServerResponse, status: number, body: object): void {
  sendText(res, status, "application/json", JSON.stringify(body));
}

export function sendText(res: ServerResponse, status: number, contentType: string, text: string): void {
  res.writeHead(status, {
    "content-type": contentType,
    "content-length": Buffer.byteLength(text),
    "cache-control": "no-store",
  });
  res.end(text);
}
