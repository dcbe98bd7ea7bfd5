/** An amount of USD for people; executions cost fractions of a millionth. */
export function usd(amount: number): string {
  if (amount === 0) return "0";
  if (amount >= 0.01) return amount.toFixed(4);
  return amount < 1e-9 ? "<0.000000001" : amount.toFixed(9);
}
