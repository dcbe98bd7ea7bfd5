/** The runtimes that Hearth can start, with what a blank container of each is made of. */
export const RUNTIMES = ["nodejs22.x", "nodejs24.x", "provided.al2023"] as const;

export type RuntimeName = (typeof RUNTIMES)[number];

/** Whether a name from outside is one of `RUNTIMES`. */
export function isRuntime(name: string): name is RuntimeName {
  return (RUNTIMES as readonly string[]).includes(name);
}
