import { describe, expect, test } from "vitest";
import { serveEventRoutes, url } from "./event-fixture.ts";

serveEventRoutes();

async function refusalOf(method: string, path: string, body: unknown): Promise<string> {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  const answer = await fetch(url + path, { method, body: text });
  const { message } = (await answer.json()) as { message: string };
  expect([answer.status, answer.headers.get("x-amzn-errortype"), message]).toEqual([
    400,
    "InvalidParameterValueException",
    message,
  ]);
  return message;
}

const QUALIFIER_SAYS = "is no version or alias; write it like $LATEST, 7 or live";
const FUNCTION_SAYS = "write 1 to 64 letters, digits, dashes or underscores";

describe("a schedule's fault is named by its field, with what was given and what is allowed", () => {
  const schedule = { expression: "rate(5 minutes)", functionName: "f" };
  const EXPRESSION_SAYS = "write it like rate(5 minutes), cron(0 9 ? * MON-FRI *) or at(2026-12-24T18:00:00)";
  const LIKE = 'rite it like {"expression": "rate(5 minutes)", "functionName": "poll"}';
  const zone = "is no IANA time zone; write it like Europe/Berlin, America/New_York or UTC";

  test.each<[name: string, body: unknown, says: string]>([
    ["no JSON", "{", `The body is not JSON. W${LIKE}.`],
    ["no body", "", `The body is not JSON. W${LIKE}.`],
    ["nothing", "null", `null is no schedule; w${LIKE}`],
    ["a list", [], `[] is no schedule; w${LIKE}`],
    ["no expression", { functionName: "f" }, `expression: missing; ${EXPRESSION_SAYS}`],
    ["expression of a number", { ...schedule, expression: 5 }, `expression: 5 is no expression; ${EXPRESSION_SAYS}`],
    [
      "expression too long",
      { ...schedule, expression: "r".repeat(257) },
      `expression: "${"r".repeat(59)}… is too long; an expression has at most 256 characters`,
    ],
    ["zone of a number", { ...schedule, timezone: 1 }, `timezone: 1 ${zone}`],
    ["zone too long", { ...schedule, timezone: "z".repeat(65) }, `timezone: "${"z".repeat(59)}… ${zone}`],
    ["no function", { expression: "rate(1 hour)" }, `functionName: missing; ${FUNCTION_SAYS}`],
    [
      "a function's ARN",
      { ...schedule, functionName: "arn:f" },
      `functionName: "arn:f" is no function's name; ${FUNCTION_SAYS}`,
    ],
    ["qualifier", { ...schedule, qualifier: "a b" }, `qualifier: "a b" ${QUALIFIER_SAYS}`],
    ["qualifier of a number", { ...schedule, qualifier: 7 }, `qualifier: 7 ${QUALIFIER_SAYS}`],
    ["policy", { ...schedule, onMissed: "never" }, 'onMissed: "never" is no policy; it is one of latest, skip'],
    [
      "input that grows as it is written out",
      `{"expression":"rate(1 hour)","functionName":"f","input":[${"1e21,".repeat(200_000)}1]}`,
      `input: [${"1e+21,".repeat(9)}1e+21… is too large; give at most 1048576 bytes of JSON`,
    ],
    [
      "unknown members",
      { ...schedule, timeZone: "UTC" },
      '{"expression":"rate(5 minutes)","functionName":"f","timeZone… has no member "timeZone"; docs/event-sources.md lists the members',
    ],
    [
      "several, each on its line",
      { expression: 1, functionName: 2 },
      `expression: 1 is no expression; ${EXPRESSION_SAYS}\nfunctionName: 2 is no function's name; ${FUNCTION_SAYS}`,
    ],
  ])("%s", async (_name, body, says) => {
    expect(await refusalOf("PUT", "/_hearth/schedules/s", body)).toBe(says);
  });
});

describe("a source's fault is named likewise, and tells no password", () => {
  const source = { url: "postgres://u:secret@127.0.0.1:1/d", table: "jobs", functionName: "f" };
  const URL_SAYS = "is no address of a database; write it like postgres://USER:PASSWORD@HOST:5432/DATABASE";
  const TABLE_SAYS = "is no table's name; write TABLE or SCHEMA.TABLE, in lower case";
  const LIKE = 'rite it like {"url": "postgres://…", "table": "jobs", "functionName": "work"}';
  const unknown = (name: string) => `has no member "${name}"; docs/event-sources.md lists the members`;

  test.each<[name: string, body: unknown, says: string]>([
    ["no JSON", "{", `The body is not JSON. W${LIKE}.`],
    ["nothing", "null", `null is no source; w${LIKE}`],
    ["an address alone", JSON.stringify(source.url), `"postgres://…" is no source; w${LIKE}`],
    ["no address", { ...source, url: undefined }, `url: missing; ${URL_SAYS.slice(URL_SAYS.indexOf(";") + 2)}`],
    ["another database's address", { ...source, url: "mysql://u:secret@h/d" }, `url: "mysql://…" ${URL_SAYS}`],
    ["an address with a slip", { ...source, url: "postgres//u:secret@h" }, `url: "…" ${URL_SAYS}`],
    [
      "an address without end",
      { ...source, url: `postgres://u:secret@h/${"d".repeat(2000)}` },
      'url: "postgres://…" is too long; an address has at most 2000 characters',
    ],
    ["an address in the wrong place", { ...source, table: source.url }, `table: "postgres://…" ${TABLE_SAYS}`],
    ["table in capitals", { ...source, table: "Jobs" }, `table: "Jobs" ${TABLE_SAYS}`],
    ["function", { ...source, functionName: "" }, `functionName: "" is no function's name; ${FUNCTION_SAYS}`],
    ["qualifier", { ...source, qualifier: "-é" }, `qualifier: "-é" ${QUALIFIER_SAYS}`],
    [
      "rows as text",
      { ...source, batchSize: "ten" },
      'batchSize: "ten" is no number of rows; give a whole number from 1 to 1000',
    ],
    [
      "invocations",
      { ...source, concurrencyMax: 101 },
      "concurrencyMax: 101 is no number of invocations at a time; give a whole number from 1 to 100",
    ],
    [
      "attempts",
      { ...source, attemptsMax: 0.5 },
      "attemptsMax: 0.5 is no number of attempts; give a whole number from 1 to 1000",
    ],
    [
      "failures of items",
      { ...source, reportsItemFailures: 1 },
      "reportsItemFailures: 1 is neither true nor false; write true if the function answers batchItemFailures",
    ],
    [
      "unknown member",
      { password: "secret", ...source },
      `{"password":"…","url":"postgres://…","table":"jobs","functio… ${unknown("password")}`,
    ],
    ["an address in an unknown member", { uri: "secret" }, `{"uri":"…"} ${unknown("uri")}`],
  ])("%s", async (_name, body, says) => {
    const message = await refusalOf("PUT", "/_hearth/sources/s", body);
    expect(message.split("\n")).toContain(says);
    expect(message).not.toContain("secret");
  });

  const ID_SAYS = 'is no row\'s id; write its number in quotes, like "7"';
  test.each<[name: string, body: unknown, says: string]>([
    ["no JSON", "7", '7 names no rows; write it like {"ids": ["7"]}, or {} for all'],
    ["half a body", '{"ids"', 'The body is not JSON. Write it like {"ids": ["7"]}, or leave it out.'],
    ["one id", { ids: "7" }, 'ids: "7" is no list; write the ids like ["7"], or leave it out for all'],
    ["numbers", { ids: ["1", 7] }, `ids[1]: 7 ${ID_SAYS}`],
    ["no number", { ids: ["1; DROP TABLE"] }, `ids[0]: "1; DROP TABLE" ${ID_SAYS}`],
    [
      "too many",
      { ids: Array.from({ length: 10_001 }, () => "1") },
      `ids: [${'"1",'.repeat(14)}"1"… has too many ids; 10000 are allowed`,
    ],
    ["unknown member", { id: "7" }, `{"id":"7"} ${unknown("id")}`],
  ])("rows to revive: %s", async (_name, body, says) => {
    expect(await refusalOf("POST", "/_hearth/sources/s/revive", body)).toBe(says);
  });

  test.each(["-1", "1001", "x", "", "0.5"])("dead=%s", async (dead) => {
    const answer = await fetch(`${url}/_hearth/sources/s?dead=${dead}`);
    expect(await answer.json()).toMatchObject({ message: `dead: "${dead}" is no count; give 0 to 1000.` });
  });
});
