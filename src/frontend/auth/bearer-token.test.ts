import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { AccessKeys } from "../../ports/access-keys.ts";
import { systemClock } from "../../ports/clock.ts";
import { createHttpServer, type HttpServer } from "../http-server.ts";
import { BearerToken } from "./bearer-token.ts";

const TOKEN = "0123456789abcdef";

const servers: HttpServer[] = [];
/** Answers with the account that a request acts for: at `/with` for a bearer token too. */
async function serve(host: string): Promise<string> {
  const accessKeys = { find: () => undefined } as unknown as AccessKeys;
  const server = createHttpServer({
    host,
    port: 0,
    region: "us-east-1",
    accessKeys,
    clock: systemClock,
    onError: () => {},
  });
  for (const [path, bearerToken] of [
    ["/with", new BearerToken(TOKEN)],
    ["/without", undefined],
  ] as const) {
    server.addRoute("GET", path, ({ res, principal }) => void res.end(principal.accountId), { bearerToken });
  }
  servers.push(server);
  return `http://127.0.0.1:${(await server.listen()).port}`;
}

let local: string;
let open: string;
beforeAll(async () => {
  local = await serve("127.0.0.1");
  open = await serve("0.0.0.0");
});
afterAll(() => Promise.all(servers.map((server) => server.close(0))));

async function answerTo(url: string, authorization?: string): Promise<string> {
  const answer = await fetch(url, authorization === undefined ? {} : { headers: { authorization } });
  const says = await answer.text();
  return answer.status === 200 ? says : `${answer.status} ${answer.headers.get("x-amzn-errortype")} ${says}`;
}

describe("a bearer token", () => {
  const wrong = expect.stringMatching(
    /^403 UnrecognizedClientException .*"The bearer token included in the request is invalid\."/,
  );

  test.each([`Bearer ${TOKEN}`, `bearer ${TOKEN}`, `Bearer   ${TOKEN}`])("%j acts for the operator", async (header) => {
    for (const server of [open, local]) expect(await answerTo(`${server}/with`, header)).toBe("000000000000");
  });

  test.each([
    "Bearer",
    `Bearer ${TOKEN}0`,
    `Bearer ${TOKEN.slice(1)}`,
    `Bearer ${TOKEN.toUpperCase()}`,
    `Bearer ${TOKEN} ${TOKEN}`,
    `Bearer ${"x".repeat(8000)}`,
  ])("%j is refused, wherever the server is", async (header) => {
    for (const server of [open, local]) expect(await answerTo(`${server}/with`, header)).toEqual(wrong);
  });

  test("of no kind that is asked for, or none: as without", async () => {
    for (const header of [undefined, "Basic eDp5", `Bearer${TOKEN}`]) {
      const type = header === undefined ? "MissingAuthenticationTokenException" : "IncompleteSignatureException";
      for (const path of ["/with", "/without"]) {
        expect(await answerTo(open + path, header)).toMatch(new RegExp(`^403 ${type} `));
        expect(await answerTo(local + path, header)).toBe("000000000000");
      }
    }
  });

  test("counts for nothing where none is asked for", async () => {
    expect(await answerTo(`${open}/without`, `Bearer ${TOKEN}`)).toMatch(/^403 IncompleteSignatureException /);
    expect(await answerTo(`${local}/without`, "Bearer wrong")).toBe("000000000000");
  });
});
