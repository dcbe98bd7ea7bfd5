import fc from "fast-check";
import { expect, test } from "vitest";
import { formatJoinToken, parseJoinToken } from "./join-token.ts";

const bytes = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((each) => Buffer.from(each).toString("base64url"));

test("a token is read back as it was written, also with blanks around it", () => {
  fc.assert(
    fc.property(bytes, bytes, (secret, serverKeySha256) => {
      const token = { secret, serverKeySha256 };
      expect(parseJoinToken(` ${formatJoinToken(token)}\n`)).toEqual(token);
    }),
  );
});

test("anything else is none", () => {
  const part = "A".repeat(43);
  for (const text of [
    "",
    ".",
    part,
    `${part}.`,
    `${part}.${part}.${part}`,
    `${part}.${part}A`,
    `${part}.${part.slice(1)}/`,
  ])
    expect(parseJoinToken(text)).toBeUndefined();
});
