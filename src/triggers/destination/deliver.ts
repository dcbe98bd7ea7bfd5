import { createHash } from "node:crypto";
import { parseDestination } from "../../model/destination.ts";
import type { FunctionVersion } from "../../model/function-version.ts";
import { type AccountId, DEFAULT_ACCOUNT_ID, type InvocationId } from "../../model/ids.ts";
import type { InvokeRequest } from "../../ports/invoker.ts";
import type { AwsClients } from "../aws/aws-clients.ts";
import { QueueUrls } from "../aws/queue-urls.ts";
import type { OutcomeMessage } from "../outbox.ts";
import { errorMessageOf, invokedFunctionArn, outcomeRecord } from "./outcome-record.ts";
import { postWebhook } from "./webhook.ts";

export type DelivererOptions = {
  readonly aws: AwsClients;
  /** undefined: no such function, or it cannot run now. */
  resolve(accountId: AccountId, name: string, qualifier: string | undefined): FunctionVersion | undefined;
  enqueue(request: InvokeRequest): Promise<void>;
};

/** Sends messages about outcomes to where they are addressed; each carries an id that is the same when it is sent again. */
export class Deliverer {
  readonly #options: DelivererOptions;
  readonly #queueUrls: QueueUrls;

  constructor(options: DelivererOptions) {
    this.#options = options;
    this.#queueUrls = new QueueUrls(options.aws);
  }

  /** @throws Error when it was not taken. */
  async deliver(message: OutcomeMessage, abortSignal: AbortSignal): Promise<void> {
    const { event, delivery } = message;
    const destination = parseDestination(delivery.to);
    const { body, attributes } = letterOf(message);
    const id = `${event.id}-${delivery.kind}`;
    switch (destination?.kind) {
      case "lambda":
        return this.#invoke(message, destination, body, id);
      case "sqs":
        return this.#sendToQueue(destination, body, attributes, id, abortSignal);
      case "sns":
        return this.#publish(destination, body, attributes, id, abortSignal);
      case "eventBridge":
        return this.#putEvent(message, destination, body, abortSignal);
      case "s3":
        return this.#putObject(message, destination.bucket, body, id, abortSignal);
      case "webhook":
        return postWebhook(
          {
            url: destination.url,
            headers: { "Hearth-Delivery-Id": id, "Hearth-Request-Id": event.id, "Idempotency-Key": id },
            body,
            isPublicOnly: event.accountId !== DEFAULT_ACCOUNT_ID,
          },
          abortSignal,
        );
      case undefined:
        throw new Error(`${delivery.to} is no destination that this server knows`);
      default:
        throw destination satisfies never;
    }
  }

  async #invoke(
    { event }: OutcomeMessage,
    to: { readonly accountId: AccountId; readonly functionName: string; readonly qualifier: string | undefined },
    body: string,
    id: string,
  ): Promise<void> {
    const version =
      to.accountId === event.accountId ? this.#options.resolve(to.accountId, to.functionName, to.qualifier) : undefined;
    if (version === undefined) throw new Error(`there is no function ${to.functionName} that could be invoked`);
    await this.#options.enqueue({
      id: uuidOf(id),
      version,
      payload: Buffer.from(body),
      invokedArn: to.qualifier === undefined ? version.arn : `${version.arn}:${to.qualifier}`,
      clientContext: undefined,
      traceId: undefined,
      logTail: false,
    });
  }

  async #sendToQueue(
    to: { readonly region: string; readonly accountId: string; readonly queueName: string },
    body: string,
    attributes: Attributes,
    id: string,
    abortSignal: AbortSignal,
  ): Promise<void> {
    const { SendMessageCommand } = await import("@aws-sdk/client-sqs");
    const client = await this.#options.aws.sqs(to.region);
    const input = {
      QueueUrl: await this.#queueUrls.of(to, abortSignal),
      MessageBody: body,
      MessageAttributes: attributes,
      ...(to.queueName.endsWith(".fifo") ? { MessageGroupId: id, MessageDeduplicationId: id } : {}),
    };
    await client.send(new SendMessageCommand(input), { abortSignal });
  }

  async #publish(
    to: { readonly region: string; readonly topicArn: string },
    body: string,
    attributes: Attributes,
    id: string,
    abortSignal: AbortSignal,
  ): Promise<void> {
    const { PublishCommand } = await import("@aws-sdk/client-sns");
    const client = await this.#options.aws.sns(to.region);
    const input = {
      TopicArn: to.topicArn,
      Message: body,
      MessageAttributes: attributes,
      ...(to.topicArn.endsWith(".fifo") ? { MessageGroupId: id, MessageDeduplicationId: id } : {}),
    };
    await client.send(new PublishCommand(input), { abortSignal });
  }

  async #putEvent(
    message: OutcomeMessage,
    to: { readonly region: string; readonly busArn: string },
    body: string,
    abortSignal: AbortSignal,
  ): Promise<void> {
    const { PutEventsCommand } = await import("@aws-sdk/client-eventbridge");
    const client = await this.#options.aws.eventBridge(to.region);
    const result = message.event.outcome.condition === "Success" ? "Success" : "Failure";
    const entry = {
      Source: "lambda",
      DetailType: `Lambda Function Invocation Result - ${result}`,
      Resources: [to.busArn, invokedFunctionArn(message)],
      EventBusName: to.busArn,
      Detail: body,
    };
    const { Entries: entries } = await client.send(new PutEventsCommand({ Entries: [entry] }), { abortSignal });
    const { ErrorCode: code, ErrorMessage: says } = entries?.[0] ?? {};
    if (code !== undefined) throw new Error(`the event bus refused it: ${code} ${says ?? ""}`);
  }

  async #putObject(
    { event }: OutcomeMessage,
    bucket: string,
    body: string,
    id: string,
    abortSignal: AbortSignal,
  ): Promise<void> {
    const { PutObjectCommand } = await import("@aws-sdk/client-s3");
    const [day = "", time = ""] = new Date(event.outcome.endedMs).toISOString().slice(0, 19).split("T");
    const key = `aws/lambda/async/${event.functionName}/${day.replaceAll("-", "/")}/${day}T${time.replaceAll(":", ".")}-${uuidOf(id)}`;
    const client = await this.#options.aws.s3();
    await client.send(new PutObjectCommand({ Bucket: bucket, Key: key, Body: body, ContentType: "application/json" }), {
      abortSignal,
    });
  }
}

type Attributes = Readonly<Record<string, { readonly DataType: "String" | "Number"; readonly StringValue: string }>>;

/** A dead letter is the event itself, with what happened beside it; a destination gets a record of both. */
function letterOf(message: OutcomeMessage): { body: string; attributes: Attributes } {
  if (message.delivery.kind === "destination") return { body: outcomeRecord(message), attributes: {} };
  const attributes: Attributes = {
    RequestID: { DataType: "String", StringValue: message.event.id },
    ErrorCode: { DataType: "Number", StringValue: "200" },
    ErrorMessage: { DataType: "String", StringValue: errorMessageOf(message) },
  };
  return { body: message.payload.length === 0 ? "{}" : message.payload.toString(), attributes };
}

/** The same for the same text: a function that is told twice is told under one request id. */
function uuidOf(text: string): InvocationId {
  const hex = createHash("sha256").update(text).digest("hex");
  const variant = ((Number.parseInt(hex[16] ?? "0", 16) & 3) | 8).toString(16);
  const uuid = `${hex.slice(0, 8)}-${hex.slice(8, 12)}-5${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
  return uuid as InvocationId;
}
