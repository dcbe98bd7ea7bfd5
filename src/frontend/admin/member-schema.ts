import { z } from "zod";

/** Members that several documents have. Messages read on after the value: "-3" *is no …; give …*. What follows the semicolon is the remedy. */
export function oneOf<const Values extends readonly string[]>(values: Values, noun: string) {
  return z.enum(values, `is no ${noun}; it is one of ${values.join(", ")}`);
}

export function whole(noun: string, min: number, max: number) {
  const says = `is no ${noun}; give a whole number from ${min} to ${max}`;
  return z.int(says).min(min, says).max(max, says);
}

const NAME_SAYS = "is no function's name; write 1 to 64 letters, digits, dashes or underscores";
const QUALIFIER_SAYS = "is no version or alias; write it like $LATEST, 7 or live";

/** Of the function that is invoked. */
export const functionName = z.string(NAME_SAYS).regex(/^[a-zA-Z0-9-_]{1,64}$/, NAME_SAYS);
export const qualifier = z.string(QUALIFIER_SAYS).regex(/^(\$LATEST|[a-zA-Z0-9-_]{1,128})$/, QUALIFIER_SAYS);
