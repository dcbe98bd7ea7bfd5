import { expect, test } from "vitest";
import { agent } from "./agent.ts";

test("what is wrong with the settings is told in one line, by the option and by the member of a settings file", async () => {
  const refused = await agent({ server: "nowhere", token: "abc", dataDir: "/nowhere", cores: 2 }).catch(String);
  expect(refused).toContain("--join (server): write it like HOST:PORT; --token (token): it is no join token; ");
  expect(refused).toContain('"cores"');
  expect(refused).not.toContain("\n");
});
