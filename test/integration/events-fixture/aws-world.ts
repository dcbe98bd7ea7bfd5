import {
  CreateEventBusCommand,
  EventBridgeClient,
  PutRuleCommand,
  PutTargetsCommand,
} from "@aws-sdk/client-eventbridge";
import { CreateBucketCommand, GetObjectCommand, ListObjectsV2Command, S3Client } from "@aws-sdk/client-s3";
import { CreateTopicCommand, SNSClient, SubscribeCommand } from "@aws-sdk/client-sns";
import {
  CreateQueueCommand,
  DeleteMessageCommand,
  GetQueueAttributesCommand,
  type Message,
  type QueueAttributeName,
  ReceiveMessageCommand,
  SendMessageBatchCommand,
  SQSClient,
} from "@aws-sdk/client-sqs";
import { MotoServer } from "../moto-server.ts";

const CREDENTIALS = { AWS_ACCESS_KEY_ID: "test", AWS_SECRET_ACCESS_KEY: "test" };
/** moto's account. */
export const AWS_ACCOUNT = "123456789012";

/** Queues, topics, buses and buckets as moto's server plays them. */
export class AwsWorld {
  readonly moto: MotoServer;
  readonly sqs: SQSClient;
  readonly #sns: SNSClient;
  readonly #events: EventBridgeClient;
  readonly #s3: S3Client;

  private constructor(moto: MotoServer) {
    this.moto = moto;
    const credentials = { accessKeyId: "test", secretAccessKey: "test" };
    const options = { endpoint: moto.url, region: "us-east-1", credentials };
    this.sqs = new SQSClient(options);
    this.#sns = new SNSClient(options);
    this.#events = new EventBridgeClient(options);
    this.#s3 = new S3Client({ ...options, forcePathStyle: true });
  }

  static async start(): Promise<AwsWorld> {
    return new AwsWorld(await MotoServer.start());
  }

  /** What a server needs in its environment to find this world. */
  get env(): Readonly<Record<string, string>> {
    return { ...CREDENTIALS, HEARTH_AWS_ENDPOINT: this.moto.url };
  }

  async queue(name: string, attributes: Partial<Record<QueueAttributeName, string>> = {}): Promise<Queue> {
    const Attributes = { ...(name.endsWith(".fifo") ? { FifoQueue: "true" } : {}), ...attributes };
    const { QueueUrl: url = "" } = await this.sqs.send(new CreateQueueCommand({ QueueName: name, Attributes }));
    return new Queue(this.sqs, url, `arn:aws:sqs:us-east-1:${AWS_ACCOUNT}:${name}`);
  }

  /** A topic whose messages arrive in a queue as they were published. */
  async topic(name: string, queue: Queue): Promise<string> {
    const { TopicArn: arn = "" } = await this.#sns.send(new CreateTopicCommand({ Name: name }));
    const Attributes = { RawMessageDelivery: "true" };
    const input = { TopicArn: arn, Protocol: "sqs", Endpoint: queue.arn, Attributes };
    await this.#sns.send(new SubscribeCommand(input));
    return arn;
  }

  /** A bus whose events of Lambda arrive in a queue. */
  async bus(name: string, queue: Queue): Promise<string> {
    const { EventBusArn: arn = "" } = await this.#events.send(new CreateEventBusCommand({ Name: name }));
    const EventPattern = JSON.stringify({ source: ["lambda"] });
    await this.#events.send(new PutRuleCommand({ Name: name, EventBusName: name, EventPattern }));
    const Targets = [{ Id: "1", Arn: queue.arn }];
    await this.#events.send(new PutTargetsCommand({ Rule: name, EventBusName: name, Targets }));
    return arn;
  }

  async bucket(name: string): Promise<void> {
    await this.#s3.send(new CreateBucketCommand({ Bucket: name }));
  }

  async objects(bucket: string): Promise<{ key: string; body: string }[]> {
    const { Contents: contents = [] } = await this.#s3.send(new ListObjectsV2Command({ Bucket: bucket }));
    const keys = contents.flatMap(({ Key: key }) => (key === undefined ? [] : [key]));
    return Promise.all(
      keys.map(async (key) => {
        const { Body: body } = await this.#s3.send(new GetObjectCommand({ Bucket: bucket, Key: key }));
        return { key, body: (await body?.transformToString()) ?? "" };
      }),
    );
  }

  async stop(): Promise<void> {
    for (const client of [this.sqs, this.#sns, this.#events, this.#s3]) client.destroy();
    await this.moto.stop();
  }
}

export type Sent = { readonly body: string; readonly group?: string };

/** A queue and its messages. */
export class Queue {
  readonly arn: string;
  readonly url: string;
  readonly #sqs: SQSClient;

  constructor(sqs: SQSClient, url: string, arn: string) {
    this.#sqs = sqs;
    this.url = url;
    this.arn = arn;
  }

  /** Takes messages until there are so many; each is deleted. @throws Error when they do not come in time. */
  async take(count: number, limitMs = 20_000): Promise<Message[]> {
    const taken: Message[] = [];
    for (const untilMs = performance.now() + limitMs; taken.length < count; ) {
      if (performance.now() > untilMs) throw new Error(`${taken.length} of ${count} messages came to ${this.arn}`);
      const { Messages: messages = [] } = await this.#sqs.send(
        new ReceiveMessageCommand({
          QueueUrl: this.url,
          MaxNumberOfMessages: 10,
          WaitTimeSeconds: 1,
          MessageAttributeNames: ["All"],
        }),
      );
      for (const message of messages) {
        taken.push(message);
        const input = { QueueUrl: this.url, ReceiptHandle: message.ReceiptHandle };
        await this.#sqs.send(new DeleteMessageCommand(input));
      }
    }
    return taken;
  }

  async send(messages: readonly Sent[]): Promise<void> {
    for (let from = 0; from < messages.length; from += 10) {
      const Entries = messages.slice(from, from + 10).map(({ body, group }, index) => ({
        Id: String(index),
        MessageBody: body,
        ...(group === undefined ? {} : { MessageGroupId: group, MessageDeduplicationId: `${from + index}-${body}` }),
      }));
      await this.#sqs.send(new SendMessageBatchCommand({ QueueUrl: this.url, Entries }));
    }
  }

  /** Messages in it, those in flight included. */
  async length(): Promise<number> {
    const input = { QueueUrl: this.url, AttributeNames: ["All" as const] };
    const { Attributes: attributes } = await this.#sqs.send(new GetQueueAttributesCommand(input));
    return (
      Number(attributes?.["ApproximateNumberOfMessages"]) +
      Number(attributes?.["ApproximateNumberOfMessagesNotVisible"]) +
      Number(attributes?.["ApproximateNumberOfMessagesDelayed"])
    );
  }
}
