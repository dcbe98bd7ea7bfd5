/** Works for as long as it is told: some CPU, mostly waiting, as functions that call others do. */
export const handler = async ({ ms = 100 }) => {
  const untilMs = Date.now() + ms;
  while (Date.now() < untilMs - ms * 0.9) Math.sqrt(ms);
  await new Promise((resolve) => setTimeout(resolve, Math.max(0, untilMs - Date.now())));
  return { ms };
};
