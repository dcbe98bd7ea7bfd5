import { createHmac, timingSafeEqual } from "node:crypto";
import type { Clock } from "../../ports/clock.ts";
import type { CodeStore } from "../../ports/code-store.ts";
import type { HttpServer } from "../http-server.ts";
import { LambdaError } from "./lambda-error.ts";

/** As long as AWS's presigned URLs of code are good. */
const LOCATION_LIFE_MS = 10 * 60_000;

/** Signed URLs on this server from which a function's archive can be read without credentials. */
export class CodeLocation {
  readonly #secret: string;
  readonly #serverUrl: string;
  readonly #clock: Clock;

  constructor(secret: string, serverUrl: string, clock: Clock) {
    this.#secret = secret;
    this.#serverUrl = serverUrl;
    this.#clock = clock;
  }

  /** @param host as the caller named this server, which may be by another name than its own. */
  url(sha256Hex: string, host: string | undefined): string {
    const base = host === undefined ? this.#serverUrl : `http://${host}`;
    const expiresMs = this.#clock.nowMs() + LOCATION_LIFE_MS;
    return `${base}/_hearth/code/${sha256Hex}?Expires=${expiresMs}&Signature=${this.#sign(sha256Hex, expiresMs)}`;
  }

  isValid(sha256Hex: string, query: URLSearchParams): boolean {
    const expiresMs = Number(query.get("Expires"));
    if (!(this.#clock.nowMs() < expiresMs)) return false;
    const given = Buffer.from(query.get("Signature") ?? "");
    const expected = Buffer.from(this.#sign(sha256Hex, expiresMs));
    return given.length === expected.length && timingSafeEqual(given, expected);
  }

  #sign(sha256Hex: string, expiresMs: number): string {
    return createHmac("sha256", this.#secret).update(`code\n${sha256Hex}\n${expiresMs}`).digest("hex");
  }
}

export function addCodeRoute(server: HttpServer, location: CodeLocation, codeStore: CodeStore): void {
  server.addRoute(
    "GET",
    "/_hearth/code/:sha256Hex",
    async ({ res, params, query }) => {
      const sha256Hex = params["sha256Hex"] ?? "";
      if (!location.isValid(sha256Hex, query))
        throw new LambdaError("AccessDeniedException", 403, "Request has expired");
      const zip = await codeStore.read(sha256Hex);
      res.writeHead(200, { "Content-Type": "application/zip", "Content-Length": zip.length });
      res.end(zip);
    },
    { access: "open" },
  );
}
