import type { IncomingMessage } from "node:http";

/** Where URLs are when their host names lead nowhere. */
const PATH_PREFIX = "/_hearth/url/";
const ID = /^[a-z0-9]{32}$/;

/** A request's place among the URLs. */
export type UrlPlace = {
  readonly id: string;
  /** As on the wire; with a slash at its beginning. */
  readonly path: string;
  /** Whether it was named by path: then it shares its origin with the server's own pages. */
  readonly isByPath: boolean;
};

export type UrlAddressOptions = {
  readonly region: string;
  /** This server's own, for addresses by path. */
  readonly serverUrl: string;
  /** What host names of URLs end with, with a scheme if they are to be shown with it; undefined: they are shown by path. */
  readonly domain: string | undefined;
};

/** How URLs are named, `<id>.lambda-url.<region>.<domain>` or by path, and which one a request is for. */
export class UrlAddress {
  readonly #suffix: string | undefined;
  readonly #options: UrlAddressOptions;

  constructor(options: UrlAddressOptions) {
    this.#options = options;
    const { domain, region } = options;
    this.#suffix = domain === undefined ? undefined : `.lambda-url.${region}.${hostOf(domain)}`.toLowerCase();
  }

  /**
   * As it is shown, with a slash at its end.
   * @param askedHost as the asker named this server, which may be by another name than its own.
   */
  show(id: string, askedHost?: string): string {
    const { domain, serverUrl } = this.#options;
    if (domain === undefined) {
      return `${askedHost === undefined ? serverUrl : `http://${askedHost}`}${PATH_PREFIX}${id}/`;
    }
    const host = `${id}${this.#suffix}`;
    // Behind a scheme stands a proxy of the operator's, on its usual port.
    return domain.includes("://")
      ? `${domain.slice(0, domain.indexOf("://"))}://${host}/`
      : `http://${host}:${new URL(serverUrl).port || "80"}/`;
  }

  /** undefined: the request is for no URL. @param path as on the wire. */
  placeOf(req: IncomingMessage, path: string): UrlPlace | undefined {
    const byHost = this.#suffix === undefined ? undefined : idOfHost(req.headers.host, this.#suffix);
    if (byHost !== undefined) return { id: byHost, path, isByPath: false };
    if (!path.startsWith(PATH_PREFIX)) return undefined;
    const end = path.indexOf("/", PATH_PREFIX.length);
    const id = path.slice(PATH_PREFIX.length, end === -1 ? undefined : end);
    return { id, path: end === -1 ? "/" : path.slice(end), isByPath: true };
  }

  /** For the event: the URL's own name, also when it was named by path. */
  hostName(id: string): string {
    return new URL(this.#options.domain === undefined ? this.#options.serverUrl : this.show(id)).hostname;
  }
}

/** Any id, also one that no URL has: who comes by such a name must not end up at the API. */
function idOfHost(host: string | undefined, suffix: string): string | undefined {
  if (host === undefined) return undefined;
  const colon = host.lastIndexOf(":");
  const name = (colon === -1 ? host : host.slice(0, colon)).toLowerCase();
  return name.endsWith(suffix) ? name.slice(0, -suffix.length) : undefined;
}

function hostOf(domain: string): string {
  const scheme = domain.indexOf("://");
  return scheme === -1 ? domain : domain.slice(scheme + 3);
}

/** Whether it can be a URL's id at all. */
export function isUrlId(text: string): boolean {
  return ID.test(text);
}
