import Module from "node:module";

/** Makes the function's environment the process's own, and its NODE_PATH the one that `require` searches. */
export function replaceEnvironment(environment: Readonly<Record<string, string>>): void {
  for (const name of Object.keys(process.env)) {
    if (!Object.hasOwn(environment, name)) delete process.env[name];
  }
  for (const [name, value] of Object.entries(environment)) {
    // Setting TZ makes V8 look up the time zone anew, which takes milliseconds.
    if (process.env[name] !== value) process.env[name] = value;
  }
  // Node reads NODE_PATH when it starts; this is how it reads it again (since Node 0.5, never documented).
  (Module as unknown as { _initPaths(): void })._initPaths();
}
