/** The core did what it may never do, as seen from outside of it. */
export class Violation extends Error {
  override readonly name = "Violation";
}

/** @throws Violation with the sentence, which names what was broken and by whom. */
export function violated(sentence: string): never {
  throw new Violation(sentence);
}
