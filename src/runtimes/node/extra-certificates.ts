import { readFileSync } from "node:fs";

/**
 * NODE_EXTRA_CA_CERTS, which Node reads when it starts, and a blank container has started before it has a function. As there,
 * a file that cannot be read is a warning.
 */
export function trustExtraCertificates(path: string | undefined): void {
  if (path === undefined || path === "") return;
  try {
    // Loaded for those alone that ask for it: it takes milliseconds.
    const tls = process.getBuiltinModule("node:tls");
    tls.setDefaultCACertificates([...tls.getCACertificates("default"), readFileSync(path, "utf8")]);
  } catch (cause) {
    process.emitWarning(`Ignoring extra certs from \`${path}\`, load failed: ${(cause as Error).message}`);
  }
}
