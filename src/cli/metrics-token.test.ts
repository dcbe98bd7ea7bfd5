import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { CliError, EXIT_USAGE } from "./cli-error.ts";
import { metricsTokenIn } from "./metrics-token.ts";
import { upOptionsFrom } from "./up-options.ts";

const TOKEN = "0123456789abcDEF._~+/-==";
const SHOWN_NEVER = "s3cret";

let dir: string;
let path: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "hearth-token-"));
  path = join(dir, "token");
});
afterAll(() => rmSync(dir, { recursive: true }));

describe("the token of the metrics", () => {
  test.each([TOKEN, `${TOKEN}\n`, ` ${TOKEN} \r\n`])(
    "is what the file holds, without what is around it: %j",
    (text) => {
      writeFileSync(path, text);
      expect(upOptionsFrom({ metricsTokenFile: path }, {}).metricsToken).toBe(TOKEN);
      expect(upOptionsFrom({}, { HEARTH_METRICS_TOKEN_FILE: path }).metricsToken).toBe(TOKEN);
      expect(upOptionsFrom({}, {}).metricsToken).toBeUndefined();
    },
  );

  test.each([
    ["empty", ""],
    ["blank", " \n"],
    ["too short", SHOWN_NEVER],
    ["too long", SHOWN_NEVER.repeat(200)],
    ["two lines", `${SHOWN_NEVER}${TOKEN}\n${TOKEN}`],
    ["no token's letters", `${SHOWN_NEVER} and pepper and salt`],
  ])("is none: %s", (_name, text) => {
    writeFileSync(path, text);
    const failure = failureOf({ text: path, from: "--metrics-token-file" });
    expect(failure.message).toBe(`--metrics-token-file ${path} holds no token`);
    expect(failure.remedy).toContain("16 to 1024");
    expect(failure.remedy).not.toContain(SHOWN_NEVER);
    expect(failure.exitCode).toBe(EXIT_USAGE);
  });

  test("a file that cannot be read is named, with the reason", () => {
    const failure = failureOf({ text: join(dir, "none"), from: "HEARTH_METRICS_TOKEN_FILE" });
    expect(failure.message).toMatch(/^HEARTH_METRICS_TOKEN_FILE \S+none: ENOENT/);
    expect(failure.remedy).toBe("name a file that can be read");
    expect(failure.exitCode).toBe(EXIT_USAGE);
  });
});

function failureOf(given: Parameters<typeof metricsTokenIn>[0]): CliError {
  try {
    metricsTokenIn(given);
  } catch (error) {
    if (error instanceof CliError) return error;
    throw error;
  }
  throw new Error("nothing was refused");
}
