/**
 * JSON as it was before the function's code ran. The bundle puts this in place of every mention of
 * the global `JSON` (see bundle.ts), so that a function that replaces it breaks only itself.
 */
const { parse, stringify } = globalThis.JSON;
const pristine = { parse, stringify };

export { pristine as JSON };
