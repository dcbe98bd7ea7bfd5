import { createServer, request, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** What becomes of a request on its way to EC2; `forward` when nothing is said. */
export type Fate =
  | { readonly kind: "forward" }
  /** EC2 refuses it. */
  | { readonly kind: "error"; readonly status: number; readonly code: string }
  | { readonly kind: "answer"; readonly xml: string }
  /** EC2 does not hear it, and nobody answers. */
  | { readonly kind: "hang" }
  /** EC2 performs it; the answer is lost. */
  | { readonly kind: "lose" };

export type Ec2Request = { readonly action: string; readonly parameters: URLSearchParams };

/** Stands before an EC2 and does to its answers what networks, quotas and empty markets do. */
export class Ec2Proxy {
  readonly #server: Server;
  readonly #upstream: string;
  /** All that was asked, in order. */
  readonly requests: Ec2Request[] = [];
  /** Asked for each request. */
  fateOf: (request: Ec2Request) => Fate | undefined = () => undefined;

  private constructor(upstream: string) {
    this.#upstream = upstream;
    this.#server = createServer((incoming, response) => {
      incoming.toArray().then((chunks) => {
        const body = Buffer.concat(chunks);
        const parameters = new URLSearchParams(body.toString());
        const asked = { action: parameters.get("Action") ?? "", parameters };
        this.requests.push(asked);
        this.#meet(this.fateOf(asked) ?? { kind: "forward" }, incoming.headers, body, response);
      });
    });
  }

  static async start(upstream: string): Promise<Ec2Proxy> {
    const proxy = new Ec2Proxy(upstream);
    await new Promise<void>((resolve) => proxy.#server.listen(0, "127.0.0.1", resolve));
    return proxy;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** How often something was asked for. */
  count(action: string): number {
    return this.requests.filter((asked) => asked.action === action).length;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #meet(fate: Fate, headers: NodeJS.Dict<string | string[]>, body: Buffer, response: ServerResponse): void {
    const xml = { "content-type": "text/xml" };
    if (fate.kind === "hang") return;
    if (fate.kind === "answer") return void response.writeHead(200, xml).end(fate.xml);
    if (fate.kind === "error") return void response.writeHead(fate.status, xml).end(errorXml(fate.code));
    const outgoing = request(this.#upstream, { method: "POST", headers });
    outgoing.on("error", () => response.destroy());
    outgoing.on("response", (answer) => {
      if (fate.kind === "lose") return void answer.resume().on("end", () => response.destroy());
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    outgoing.end(body);
  }
}

function errorXml(code: string): string {
  return `<?xml version="1.0"?><Response><Errors><Error><Code>${code}</Code><Message>said by the test</Message></Error></Errors><RequestID>1</RequestID></Response>`;
}

export type QuotedPrice = { readonly type: string; readonly zone: string; readonly usd: string; readonly at: string };

/** One page of DescribeSpotPriceHistory. */
export function priceHistoryXml(prices: readonly QuotedPrice[], nextToken = ""): string {
  const items = prices.map(
    ({ type, zone, usd, at }) =>
      `<item><instanceType>${type}</instanceType><productDescription>Linux/UNIX</productDescription><spotPrice>${usd}</spotPrice><timestamp>${at}</timestamp><availabilityZone>${zone}</availabilityZone></item>`,
  );
  return `<?xml version="1.0"?><DescribeSpotPriceHistoryResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><requestId>1</requestId><spotPriceHistorySet>${items.join("")}</spotPriceHistorySet><nextToken>${nextToken}</nextToken></DescribeSpotPriceHistoryResponse>`;
}
