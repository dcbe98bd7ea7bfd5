/** Names that a POSIX shell can export. */
const SHELL_NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;
/** Holds a line break while the exports run: a line is read at a time, so no value may contain one. */
const LINE_BREAK = "HEARTH_LF";

/**
 * Lines of POSIX shell, each complete in itself, that export the variables with exactly these values.
 *
 * @throws Error for a name that a shell cannot export and for a value with a NUL, which no process can be given.
 */
export function exportLines(environment: Readonly<Record<string, string>>): string {
  const lines = Object.entries(environment).map(([name, value]) => exportLine(name, value));
  const lineBreaks = lines.some((line) => line.includes(LINE_BREAK));
  // Command substitution drops line breaks at the end, so a dot guards it.
  const prologue = lineBreaks ? [`${LINE_BREAK}=$(printf '\\n.')`, `${LINE_BREAK}=\${${LINE_BREAK}%.}`] : [];
  const epilogue = lineBreaks ? [`unset ${LINE_BREAK}`] : [];
  return [...prologue, ...lines, ...epilogue].map((line) => `${line}\n`).join("");
}

function exportLine(name: string, value: string): string {
  if (!SHELL_NAME.test(name)) throw new Error(`environment variable ${JSON.stringify(name)} has no shell name`);
  if (value.includes("\0")) throw new Error(`environment variable ${name} contains a NUL character`);
  return `export ${name}=${value.split("\n").map(quoted).join(`"$${LINE_BREAK}"`)}`;
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
