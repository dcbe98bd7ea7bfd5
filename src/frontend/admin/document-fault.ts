/** Faults told at once; more are most often the same one again. */
const FAULTS_TOLD_MAX = 5;
const SHOWN_LENGTH_MAX = 60;

/** For the few faults without a message of their own. @param page that lists the members. */
export function unexplainedIn(page: string) {
  return (issue: { readonly code?: string; readonly keys?: readonly string[] }): string | undefined => {
    if (issue.code !== "unrecognized_keys") return undefined;
    return `has no member ${(issue.keys ?? []).map((key) => shown(key)).join(", ")}; ${page} lists the members`;
  };
}

type Issue = { readonly path: readonly PropertyKey[]; readonly message: string };

/** `constraints[1].timeZone: "Europe/Berln" is no IANA time zone; write it like …`. */
export function faultOf(json: unknown, { path, message }: Issue): string {
  const value = path.reduce<unknown>((at, key) => (at as Record<PropertyKey, unknown> | undefined)?.[key], json);
  const where = path.reduce<string>(
    (text, key) => (typeof key === "number" ? `${text}[${key}]` : text === "" ? String(key) : `${text}.${String(key)}`),
    "",
  );
  const says = value === undefined ? `missing${message.slice(message.indexOf(";"))}` : `${shown(value)} ${message}`;
  return where === "" ? says : `${where}: ${says}`;
}

/** As JSON, cut off. */
export function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length <= SHOWN_LENGTH_MAX ? text : `${text.slice(0, SHOWN_LENGTH_MAX)}…`;
}

/** The first faults, one a line. */
export function told(faults: readonly string[]): string {
  const more = faults.length - FAULTS_TOLD_MAX;
  return [...faults.slice(0, FAULTS_TOLD_MAX), ...(more > 0 ? [`and ${more} more`] : [])].join("\n");
}
