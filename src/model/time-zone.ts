/** Offsets such as `+01:00` are time zones to the engine, but know no summer. */
export function isTimeZone(name: string): boolean {
  if (!/^[A-Za-z]/.test(name)) return false;
  try {
    new Intl.DateTimeFormat("en", { timeZone: name });
    return true;
  } catch {
    return false;
  }
}

/** Reads on after the name. */
export const TIME_ZONE_REMEDY = "is no IANA time zone; write it like Europe/Berlin, America/New_York or UTC";
