import type { RouteRequest } from "../http-server.ts";

export function sendJson({ res, requestId }: RouteRequest, status: number, value: unknown): void {
  const body = Buffer.from(JSON.stringify(value));
  res.writeHead(status, [
    "Content-Type",
    "application/json",
    "Content-Length",
    String(body.length),
    "x-amzn-RequestId",
    requestId,
  ]);
  res.end(body);
}

/** An answer without a body; 204 has no length either. */
export function sendEmpty({ res, requestId }: RouteRequest, status: number): void {
  res.writeHead(
    status,
    status === 204 ? ["x-amzn-RequestId", requestId] : ["Content-Length", "0", "x-amzn-RequestId", requestId],
  );
  res.end();
}
