/** Counts the primes up to `limit` with the sieve of Eratosthenes. */
function countPrimes(limit) {
  const isComposite = new Uint8Array(limit + 1);
  let count = 0;
  for (let n = 2; n <= limit; n++) {
    if (isComposite[n]) continue;
    count++;
    for (let multiple = n * n; multiple <= limit; multiple += n) isComposite[multiple] = 1;
  }
  return count;
}

export const handler = async ({ limit = 2_000_000 }) => {
  if (!Number.isInteger(limit) || limit < 2 || limit > 50_000_000) throw new RangeError("limit: 2 to 50000000");
  const startMs = performance.now();
  const primes = countPrimes(limit);
  return { limit, primes, tookMs: Math.round(performance.now() - startMs) };
};
