const POLL_MS = 50;

/**
 * Asks again until the answer is the wanted one, for what sends no event.
 * @returns the last answer, wanted or not: the test says what it expected of it.
 */
export async function eventually<T>(
  ask: () => Promise<T>,
  isWanted: (answer: T) => boolean,
  limitMs: number,
): Promise<T> {
  const untilMs = performance.now() + limitMs;
  for (;;) {
    const answer = await ask();
    if (isWanted(answer) || performance.now() > untilMs) return answer;
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}
