import type { Message, MessageAttributeValue } from "@aws-sdk/client-sqs";

/** A message as functions get it (AWS documentation, "Using Lambda with Amazon SQS"). */
export type SqsRecord = ReturnType<typeof sqsRecordOf>;

export function sqsRecordOf(message: Message, arn: string) {
  const attributes = Object.entries(message.MessageAttributes ?? {});
  return {
    messageId: message.MessageId ?? "",
    receiptHandle: message.ReceiptHandle ?? "",
    body: message.Body ?? "",
    attributes: message.Attributes ?? {},
    messageAttributes: Object.fromEntries(attributes.map(([name, value]) => [name, attributeOf(value)])),
    ...(message.MD5OfMessageAttributes === undefined ? {} : { md5OfMessageAttributes: message.MD5OfMessageAttributes }),
    md5OfBody: message.MD5OfBody ?? "",
    eventSource: "aws:sqs",
    eventSourceARN: arn,
    awsRegion: arn.split(":")[3] ?? "",
  };
}

function attributeOf(value: MessageAttributeValue) {
  const { StringValue: text, BinaryValue: bytes, DataType: dataType } = value;
  return {
    ...(text === undefined ? {} : { stringValue: text }),
    ...(bytes === undefined ? {} : { binaryValue: Buffer.from(bytes).toString("base64") }),
    stringListValues: [],
    binaryListValues: [],
    dataType,
  };
}

/** What filters see of it: its body as what it says if that is JSON of an object or a list, as text otherwise. */
export function filteredFormOf(record: SqsRecord): object {
  try {
    const body: unknown = JSON.parse(record.body);
    return typeof body === "object" && body !== null ? { ...record, body } : record;
  } catch {
    return record;
  }
}
