/** What a body says. @returns undefined: it is no JSON. */
export function jsonIn(body: Buffer): { readonly value: unknown } | undefined {
  try {
    return { value: JSON.parse(body.toString()) as unknown };
  } catch {
    return undefined;
  }
}
