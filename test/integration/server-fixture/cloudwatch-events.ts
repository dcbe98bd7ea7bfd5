import { CloudWatchLogsClient, paginateFilterLogEvents } from "@aws-sdk/client-cloudwatch-logs";

/** What CloudWatch's client finds of one execution: the events of its log from START on, to REPORT. */
export async function eventsOf(url: string, functionName: string, requestId: string): Promise<string[]> {
  const credentials = { accessKeyId: "local", secretAccessKey: "local" };
  const client = new CloudWatchLogsClient({ endpoint: url, region: "us-east-1", credentials });
  const messages: string[] = [];
  try {
    for await (const { events = [] } of paginateFilterLogEvents(
      { client },
      { logGroupName: `/aws/lambda/${functionName}` },
    ))
      messages.push(...events.map(({ message = "" }) => message));
  } finally {
    client.destroy();
  }
  const start = messages.findIndex((message) => message.startsWith(`START RequestId: ${requestId} `));
  const report = messages.findIndex((message) => message.startsWith(`REPORT RequestId: ${requestId}\t`));
  return messages.slice(start, report + 1);
}
