import type { AwsClients } from "./aws-clients.ts";

/** A queue of SQS, as its ARN names it. */
export type QueueName = { readonly region: string; readonly accountId: string; readonly queueName: string };

const KEPT_MAX = 10_000;

/** URLs of queues, asked for once each. */
export class QueueUrls {
  readonly #aws: AwsClients;
  readonly #urls = new Map<string, string>();

  constructor(aws: AwsClients) {
    this.#aws = aws;
  }

  /** @throws Error as SQS answers: there is no such queue, or it cannot be reached. */
  async of({ region, accountId, queueName }: QueueName, abortSignal: AbortSignal): Promise<string> {
    const key = `${region}/${accountId}/${queueName}`;
    const known = this.#urls.get(key);
    if (known !== undefined) return known;
    const { GetQueueUrlCommand } = await import("@aws-sdk/client-sqs");
    const client = await this.#aws.sqs(region);
    const input = { QueueName: queueName, ...(accountId === "" ? {} : { QueueOwnerAWSAccountId: accountId }) };
    const { QueueUrl: url } = await client.send(new GetQueueUrlCommand(input), { abortSignal });
    if (url === undefined) throw new Error(`SQS knows no URL of ${queueName}`);
    if (this.#urls.size >= KEPT_MAX) this.#urls.clear();
    this.#urls.set(key, url);
    return url;
  }

  /** It is asked for again: the queue may have been made anew elsewhere. */
  forget({ region, accountId, queueName }: QueueName): void {
    this.#urls.delete(`${region}/${accountId}/${queueName}`);
  }
}
