import { expect, test } from "vitest";
import { shownUrl } from "./table-sources.ts";

test.for([
  ["postgres://u:p%3A@h:5433/d?sslmode=require", "postgres://u:***@h:5433/d?sslmode=require"],
  [
    "postgresql:///d?host=/var/run/postgresql&password=p",
    "postgresql:///d?host=%2Fvar%2Frun%2Fpostgresql&password=***",
  ],
  ["postgres://h/d", "postgres://h/d"],
] as const)("%s is shown as %s", ([url, shown]) => {
  expect(shownUrl(url)).toBe(shown);
});
