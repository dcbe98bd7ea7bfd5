import fc from "fast-check";
import { expect, test } from "vitest";
import { parseDestination } from "./destination.ts";

test.for([
  ["arn:aws:sqs:eu-west-1:123456789012:orders.fifo", { kind: "sqs", region: "eu-west-1", queueName: "orders.fifo" }],
  ["arn:aws-cn:sns:cn-north-1:123456789012:topic", { kind: "sns", region: "cn-north-1" }],
  ["arn:aws:events:us-east-1:123456789012:event-bus/default", { kind: "eventBridge" }],
  ["arn:aws:lambda:us-east-1:123456789012:function:f", { kind: "lambda", functionName: "f", qualifier: undefined }],
  ["arn:aws:lambda:us-east-1:123456789012:function:f:live", { kind: "lambda", qualifier: "live" }],
  ["arn:aws:s3:::some.bucket", { kind: "s3", bucket: "some.bucket" }],
  ["http://127.0.0.1:8080/hook", { kind: "webhook", url: "http://127.0.0.1:8080/hook" }],
] as const)("%s", ([text, expected]) => {
  expect(parseDestination(text)).toMatchObject(expected);
});

test.for([
  "",
  "arn:aws:iam:us-east-1:123456789012:role/r",
  "arn:aws:sqs:us-east-1:123456789012:a/b",
  "arn:aws:lambda:us-east-1:123456789012:layer:l",
  "arn:aws:lambda:us-east-1::function:f",
  "arn:aws:events:us-east-1:123456789012:rule/r",
  "arn:aws:s3:::B",
  "https://",
  "https://name@a.example",
  "https://a.example/#part",
  "ftp://a.example",
])("%s is none", (text) => {
  expect(parseDestination(text)).toBeUndefined();
});

test("no text makes it throw", () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.webUrl(),
        fc.string().map((rest) => `arn:aws:${rest}`),
      ),
      (text) => {
        parseDestination(text);
      },
    ),
  );
});
