import { readFileSync } from "node:fs";

const packageJson = readFileSync(new URL("../../package.json", import.meta.url), "utf8");

/** Of this Hearth, as package.json has it. */
export const VERSION = (JSON.parse(packageJson) as { version: string }).version;
