import fc from "fast-check";

/**
 * Properties draw the same cases on every run, so that a failure is the change's and not the day's. Others are drawn
 * with `HEARTH_PROPERTY_SEED=N npm test`; a failure prints its seed.
 */
const SEED_DEFAULT = 20_261_121;

fc.configureGlobal({ seed: Number(process.env["HEARTH_PROPERTY_SEED"] ?? SEED_DEFAULT) });
