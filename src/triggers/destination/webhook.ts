import { lookup } from "node:dns";
import { request as requestHttp } from "node:http";
import { request as requestHttps } from "node:https";
import { BlockList, isIP, type LookupFunction } from "node:net";

const ANSWER_MS_MAX = 15_000;

/** Addresses that are not the internet's: those of this machine, its networks and its provider's metadata service. */
const PRIVATE = new BlockList();
for (const [network, prefix] of [
  ["0.0.0.0", 8],
  ["10.0.0.0", 8],
  ["100.64.0.0", 10],
  ["127.0.0.0", 8],
  ["169.254.0.0", 16],
  ["172.16.0.0", 12],
  ["192.0.0.0", 24],
  ["192.168.0.0", 16],
  ["198.18.0.0", 15],
  ["224.0.0.0", 3],
] as const) {
  PRIVATE.addSubnet(network, prefix, "ipv4");
}
for (const [network, prefix] of [
  ["::", 96], // with ::1 and IPv4-compatible ones
  ["64:ff9b::", 32],
  ["2001::", 23],
  ["2002::", 16],
  ["fc00::", 7],
  ["fe80::", 10],
  ["fec0::", 10],
  ["ff00::", 8],
] as const) {
  PRIVATE.addSubnet(network, prefix, "ipv6");
}

/** Whether an address may be reached for somebody who must not reach what only this machine can. */
export function isPublicAddress(address: string): boolean {
  const family = isIP(address);
  return family !== 0 && !PRIVATE.check(address, family === 6 ? "ipv6" : "ipv4");
}

export type WebhookRequest = {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** Addresses of this machine and its networks are refused. */
  readonly isPublicOnly: boolean;
};

/** Posts to a URL; redirections are not followed. @throws Error unless the answer is a 2xx. */
export function postWebhook({ url, headers, body, isPublicOnly }: WebhookRequest, signal: AbortSignal): Promise<void> {
  const target = new URL(url);
  const host = target.hostname.replace(/^\[|\]$/g, "");
  // An address in the URL itself is never looked up.
  if (isPublicOnly && isIP(host) !== 0 && !isPublicAddress(host)) return Promise.reject(notPublic(host));
  const send = target.protocol === "https:" ? requestHttps : requestHttp;
  return new Promise((resolve, reject) => {
    const outgoing = send(target, {
      method: "POST",
      signal: AbortSignal.any([signal, AbortSignal.timeout(ANSWER_MS_MAX)]),
      headers: { "Content-Type": "application/json", "Content-Length": Buffer.byteLength(body), ...headers },
      // A connection that was kept from another delivery would be looked up no more.
      ...(isPublicOnly ? { lookup: publicLookup, agent: false } : {}),
    });
    outgoing.on("error", reject);
    outgoing.on("response", (response) => {
      response.resume();
      response.on("error", reject);
      response.on("end", () => {
        const status = response.statusCode ?? 0;
        if (status >= 200 && status < 300) resolve();
        else reject(new Error(`the webhook answered ${status}`));
      });
    });
    outgoing.end(body);
  });
}

/** Asked for the very address that is connected to, so that a name cannot change its mind in between. */
const publicLookup: LookupFunction = (hostname, options, callback) => {
  lookup(hostname, { ...options, all: true }, (error, addresses) => {
    if (error !== null) return callback(error, "", 0);
    const hidden = addresses.find(({ address }) => !isPublicAddress(address));
    const [first] = addresses;
    if (hidden !== undefined || first === undefined) return callback(notPublic(hidden?.address ?? hostname), "", 0);
    if (options.all === true) callback(null, addresses);
    else callback(null, first.address, first.family);
  });
};

function notPublic(address: string): Error {
  return new Error(`${address} is no public address: only the operator's functions may call it`);
}
