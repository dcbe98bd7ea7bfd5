import { type ContainerBody, closeBody, thawBody } from "./container-body.ts";
import type { ShutdownReason } from "./extensions/extension.ts";
import { soon } from "./stream-end.ts";

/** When a body's last output was read, which never rejects, and when nothing of it is left, which may. */
export type Burial = { readonly outputRead: Promise<void>; readonly destroyed: Promise<void> };

/** Kills what there is, at once. @param starting one that is still being made is destroyed when it is there. */
export function bury(body: ContainerBody | undefined, starting: Promise<void>): Burial {
  if (body === undefined) return { outputRead: soon(starting), destroyed: starting };
  closeBody(body);
  const destroyed = body.handle.destroy();
  // Whoever asks for it does so later.
  destroyed.catch(() => {});
  return { outputRead: soon(body.outputEnded), destroyed };
}

/** The shutdown phase of the extensions, thawed first if need be. @throws Error when it could not be gone through. */
export async function shutDown(body: ContainerBody, isFrozen: boolean, reason: ShutdownReason): Promise<void> {
  if (isFrozen) thawBody(body);
  await body.extensions?.shutDown(reason);
}

/** Ends a body that another one takes the place of. @throws Error when something of it does not end. */
export async function resetBody(body: ContainerBody, reason: ShutdownReason): Promise<void> {
  if (body.extensions?.isActive === true) await body.extensions.shutDown(reason);
  closeBody(body);
  await body.handle.destroy();
}

/** What was in the pipes before has been read afterwards. */
export function turnsOfReading(): Promise<void> {
  return new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
}
