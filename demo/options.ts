import { parseArgs } from "node:util";

/** What a demo was called with. Prints the help, or what is wrong with an option, and ends the process then. */
export function demoOptions(help: string): { readonly json: boolean; readonly quick: boolean } {
  const flag = { type: "boolean", default: false } as const;
  try {
    const { values } = parseArgs({ options: { help: flag, json: flag, quick: flag } });
    if (!values.help) return values;
  } catch (error) {
    process.stderr.write(`error: ${(error as Error).message}\n\n${help}`);
    process.exit(2);
  }
  process.stdout.write(help);
  process.exit(0);
}
