import type { ServerResponse } from "node:http";
import { type AccountId, DEFAULT_ACCOUNT_ID } from "../../model/ids.ts";
import type { LogStore } from "../../ports/log-store.ts";
import type { AdminRequest } from "./admin-request.ts";
import { sendError } from "./answer.ts";

/** How much of a log one request shows unless it asks for less. */
const TAIL_BYTES_MAX = 1024 * 1024;
/** Requests that follow a log at the same time. */
const FOLLOWERS_MAX = 100;
/** A follower that has this much unread is cut off: it must not fill the server's memory. */
const UNREAD_BYTES_MAX = 1024 * 1024;

/**
 * `GET /_hearth/logs/NAME?follow=1&bytes=N&account=ID`: a function's log as text, oldest line first. The account is the
 * caller's own unless the operator names another.
 * With `follow` the answer goes on until the caller hangs up.
 */
export class LogRoute {
  readonly #logs: Pick<LogStore, "tail" | "follow">;
  readonly #followers = new Set<ServerResponse>();

  constructor(logs: Pick<LogStore, "tail" | "follow">) {
    this.#logs = logs;
  }

  async handle(request: AdminRequest): Promise<void> {
    const { searchParams } = new URL(request.req.url ?? "/", "http://server");
    const caller = request.principal.accountId;
    const accountId = (searchParams.get("account") ?? caller) as AccountId;
    if (accountId !== caller && caller !== DEFAULT_ACCOUNT_ID) {
      return sendError(
        request.res,
        403,
        "AccessDeniedException",
        "Only the operator reads the logs of other accounts.",
      );
    }
    const bytes = Number(searchParams.get("bytes") ?? TAIL_BYTES_MAX);
    if (!Number.isInteger(bytes) || bytes < 0 || bytes > TAIL_BYTES_MAX || !/^\d{12}$/.test(accountId)) {
      const says = `bytes must be a number up to ${TAIL_BYTES_MAX}, account twelve digits.`;
      return sendError(request.res, 400, "InvalidParameterValueException", says);
    }
    const name = request.params["name"] ?? "";
    if (searchParams.get("follow") === "1") return this.#follow(request, accountId, name, bytes);
    const tail = await this.#logs.tail(accountId, name, bytes);
    beginText(request);
    request.res.end(tail);
  }

  /** Ends the answers that would go on without end. */
  close(): void {
    for (const res of this.#followers) res.end();
  }

  async #follow(request: AdminRequest, accountId: AccountId, name: string, bytes: number): Promise<void> {
    const { res } = request;
    if (this.#followers.size >= FOLLOWERS_MAX) {
      return sendError(res, 429, "TooManyRequestsException", `${FOLLOWERS_MAX} callers follow logs already.`);
    }
    this.#followers.add(res);
    const send = (text: Buffer) => {
      if (res.writableLength + text.length > UNREAD_BYTES_MAX) res.destroy();
      else if (!res.writableEnded) res.write(text);
    };
    // What arrives while the tail is read comes after it: both begin in this turn.
    let early: Buffer[] | undefined = [];
    let earlyBytes = 0;
    const stop = this.#logs.follow(accountId, name, (text) => {
      if (early === undefined) return send(text);
      early.push(text);
      earlyBytes += text.length;
      if (earlyBytes > UNREAD_BYTES_MAX) res.destroy();
    });
    res.once("close", () => {
      stop();
      this.#followers.delete(res);
    });
    const tail = await this.#logs.tail(accountId, name, bytes);
    if (res.writableEnded || res.destroyed) return;
    beginText(request);
    res.flushHeaders();
    if (tail.length > 0) res.write(tail);
    for (const text of early) send(text);
    early = undefined;
  }
}

function beginText({ res }: AdminRequest): void {
  res.writeHead(200, { "content-type": "text/plain; charset=utf-8", "cache-control": "no-store" });
}
