import type { EventBridgeClient } from "@aws-sdk/client-eventbridge";
import type { S3Client } from "@aws-sdk/client-s3";
import type { SNSClient } from "@aws-sdk/client-sns";
import type { SQSClient } from "@aws-sdk/client-sqs";

/** Services of AWS, or of others that speak like them, by the name that AWS_ENDPOINT_URL_… gives them. */
export type AwsService = "SQS" | "SNS" | "EVENTBRIDGE" | "S3";

export type AwsSettings = {
  /** URL by service; undefined: AWS's own. Credentials are those of the process, as AWS's tools find them. */
  readonly endpoints: Readonly<Partial<Record<AwsService, string>>>;
  /** Of what names no region: buckets. */
  readonly region: string;
};

type Client = { destroy(): void };

const CONNECT_MS_MAX = 5_000;
/** Longer than the longest long poll. */
const ANSWER_MS_MAX = 30_000;
/** Connections to one service: each poller of a queue holds one. */
const SOCKETS_MAX = 1_000;

/** Clients of AWS's services, one for each service and region; their code is loaded when the first is asked for. */
export class AwsClients {
  readonly #settings: AwsSettings;
  readonly #clients = new Map<string, Promise<Client>>();

  constructor(settings: AwsSettings) {
    this.#settings = settings;
  }

  sqs(region: string): Promise<SQSClient> {
    return this.#client("SQS", region, async (options) => new (await import("@aws-sdk/client-sqs")).SQSClient(options));
  }

  sns(region: string): Promise<SNSClient> {
    return this.#client("SNS", region, async (options) => new (await import("@aws-sdk/client-sns")).SNSClient(options));
  }

  eventBridge(region: string): Promise<EventBridgeClient> {
    return this.#client(
      "EVENTBRIDGE",
      region,
      async (options) => new (await import("@aws-sdk/client-eventbridge")).EventBridgeClient(options),
    );
  }

  s3(): Promise<S3Client> {
    return this.#client("S3", this.#settings.region, async (options) => {
      const { S3Client: Client } = await import("@aws-sdk/client-s3");
      // Other servers than AWS's know no bucket by its host name.
      return new Client({ ...options, forcePathStyle: options.endpoint !== undefined });
    });
  }

  async close(): Promise<void> {
    for (const client of await Promise.allSettled(this.#clients.values())) {
      if (client.status === "fulfilled") client.value.destroy();
    }
  }

  #client<T extends Client>(
    service: AwsService,
    region: string,
    create: (options: ReturnType<AwsClients["optionsFor"]>) => Promise<T>,
  ): Promise<T> {
    const key = `${service}/${region}`;
    const found = this.#clients.get(key);
    if (found !== undefined) return found as Promise<T>;
    const created = create(this.optionsFor(service, region));
    this.#clients.set(key, created);
    // Its code could not be loaded: there were no descriptors, which there will be again.
    created.catch(() => this.#clients.delete(key));
    return created;
  }

  /** What every client is made with; its failures are tried again by whoever asked. */
  optionsFor(service: AwsService, region: string) {
    const endpoint = this.#settings.endpoints[service];
    const sockets = { keepAlive: true, maxSockets: SOCKETS_MAX };
    return {
      region,
      maxAttempts: 1,
      requestHandler: {
        connectionTimeout: CONNECT_MS_MAX,
        requestTimeout: ANSWER_MS_MAX,
        throwOnRequestTimeout: true, // It only warns otherwise.
        httpAgent: sockets,
        httpsAgent: sockets,
      },
      ...(endpoint === undefined ? {} : { endpoint }),
    };
  }
}
