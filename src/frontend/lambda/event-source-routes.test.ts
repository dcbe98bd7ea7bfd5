import {
  CreateEventSourceMappingCommand,
  type CreateEventSourceMappingCommandInput,
  DeleteEventSourceMappingCommand,
  GetEventSourceMappingCommand,
  ListEventSourceMappingsCommand,
  ListTagsCommand,
  TagResourceCommand,
  UntagResourceCommand,
  UpdateEventSourceMappingCommand,
  type UpdateEventSourceMappingCommandInput,
} from "@aws-sdk/client-lambda";
import { describe, expect, test } from "vitest";
import { DEFAULT_ACCOUNT_ID } from "../../model/ids.ts";
import {
  call,
  catalog,
  client,
  createSettled,
  failure,
  serveLambdaRoutes,
  spoilSources,
} from "./lambda-routes-fixture.ts";

serveLambdaRoutes();

const SQS = "arn:aws:sqs:us-east-1:000000000000:q";
const FUNCTION = "arn:aws:lambda:us-east-1:000000000000:function:f";
type Create = CreateEventSourceMappingCommandInput;
const make = (input: Partial<Create> = {}) =>
  client.send(new CreateEventSourceMappingCommand({ FunctionName: "f", EventSourceArn: SQS, ...input }));
const get = (UUID: string | undefined) => client.send(new GetEventSourceMappingCommand({ UUID }));
const list = (input = {}) => client.send(new ListEventSourceMappingsCommand(input));
const update = (UUID: string | undefined, input: Partial<UpdateEventSourceMappingCommandInput>) =>
  client.send(new UpdateEventSourceMappingCommand({ UUID, ...input }));
const stateOf = async (uuid: string | undefined) => (await get(uuid)).State;

test("a mapping is created, found, changed, switched off and on, and deleted", async () => {
  await createSettled();
  const created = await make();
  const { UUID } = created;
  expect(created).toMatchObject({
    $metadata: { httpStatusCode: 202 },
    EventSourceArn: SQS,
    EventSourceMappingArn: `arn:aws:lambda:us-east-1:000000000000:event-source-mapping:${UUID}`,
    FunctionArn: FUNCTION,
    BatchSize: 10,
    MaximumBatchingWindowInSeconds: 0,
    FunctionResponseTypes: [],
    State: "Creating",
    StateTransitionReason: "USER_INITIATED",
  });
  expect(UUID).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
  await expect(update(UUID, { BatchSize: 1 })).rejects.toEqual(
    failure("ResourceInUseException", "Cannot update the event source mapping because it is in use."),
  );
  await expect.poll(() => stateOf(UUID)).toBe("Enabled");
  const Filters = [{ Pattern: '{"body":{"a":["x"]}}' }];
  const changed = await update(UUID, {
    BatchSize: 100,
    MaximumBatchingWindowInSeconds: 3,
    FilterCriteria: { Filters },
    FunctionResponseTypes: ["ReportBatchItemFailures"],
    ScalingConfig: { MaximumConcurrency: 7 },
  });
  const settings = {
    BatchSize: 100,
    MaximumBatchingWindowInSeconds: 3,
    FilterCriteria: { Filters },
    FunctionResponseTypes: ["ReportBatchItemFailures"],
    ScalingConfig: { MaximumConcurrency: 7 },
  };
  expect(changed).toMatchObject({ ...settings, State: "Updating", $metadata: { httpStatusCode: 202 } });
  await expect.poll(() => stateOf(UUID)).toBe("Enabled");
  expect(await update(UUID, { Enabled: false })).toMatchObject({ ...settings, State: "Disabling" });
  await expect.poll(() => stateOf(UUID)).toBe("Disabled");
  expect(await update(UUID, { Enabled: true, FilterCriteria: {}, ScalingConfig: {} })).toMatchObject({
    State: "Enabling",
  });
  await expect.poll(() => stateOf(UUID)).toBe("Enabled");
  const { FilterCriteria, ScalingConfig } = await get(UUID);
  expect([FilterCriteria, ScalingConfig]).toEqual([undefined, undefined]);
  const deleted = await client.send(new DeleteEventSourceMappingCommand({ UUID }));
  expect(deleted).toMatchObject({ State: "Deleting", UUID, $metadata: { httpStatusCode: 202 } });
  await expect.poll(() => get(UUID).catch(({ name }) => name)).toBe("ResourceNotFoundException");
});

test("they are listed by function, by source, in pages", async () => {
  await createSettled();
  await catalog.publish(DEFAULT_ACCOUNT_ID, "f", {
    revisionId: undefined,
    codeSha256: undefined,
    description: undefined,
  });
  const made = [await make(), await make({ EventSourceArn: `${SQS}2` }), await make({ FunctionName: "f:1" })];
  const ids = (page: { EventSourceMappings?: { UUID?: string | undefined }[] | undefined }) =>
    page.EventSourceMappings?.map(({ UUID }) => UUID);
  const all = made.map(({ UUID }) => UUID).sort();
  expect(ids(await list())).toEqual(all);
  expect(ids(await list({ EventSourceArn: `${SQS}2` }))).toEqual([made[1]?.UUID]);
  expect(ids(await list({ FunctionName: `${FUNCTION}:1` }))).toEqual([made[2]?.UUID]);
  expect((await get(made[2]?.UUID)).FunctionArn).toBe(`${FUNCTION}:1`);
  const first = await list({ MaxItems: 2 });
  const second = await list({ MaxItems: 2, Marker: first.NextMarker });
  expect([ids(first), ids(second), second.NextMarker]).toEqual([all.slice(0, 2), all.slice(2), undefined]);
});

test("a mapping has tags of its own", async () => {
  await createSettled();
  const { UUID, EventSourceMappingArn: Resource } = await make({ Tags: { a: "1", b: "2" } });
  const tags = async () => (await client.send(new ListTagsCommand({ Resource }))).Tags;
  await client.send(new TagResourceCommand({ Resource, Tags: { b: "3", c: "4" } }));
  expect(await tags()).toEqual({ a: "1", b: "3", c: "4" });
  await client.send(new UntagResourceCommand({ Resource, TagKeys: ["a", "never was"] }));
  expect(await tags()).toEqual({ b: "3", c: "4" });
  const many = Object.fromEntries(Array.from({ length: 49 }, (_, n) => [`k${n}`, "v"]));
  await expect(client.send(new TagResourceCommand({ Resource, Tags: many }))).rejects.toEqual(
    failure("InvalidParameterValueException", "Number of tags exceeds resource tag limit."),
  );
  await expect.poll(() => stateOf(UUID)).toBe("Enabled");
  await client.send(new DeleteEventSourceMappingCommand({ UUID }));
  await expect.poll(() => get(UUID).catch(({ name }) => name)).toBe("ResourceNotFoundException");
  const error = failure("ResourceNotFoundException", `Event source mapping not found: ${Resource}`, 404);
  await expect(tags()).rejects.toEqual(error);
  await expect(client.send(new TagResourceCommand({ Resource, Tags: { a: "1" } }))).rejects.toEqual(error);
});

test("the same source and function twice, one after another and at once", async () => {
  await createSettled();
  const { UUID } = await make();
  await expect(make()).rejects.toEqual(
    failure(
      "ResourceConflictException",
      `An event source mapping with SQS arn (" ${SQS} ") and function (" f ") already exists. Please update or delete the existing mapping with UUID ${UUID}`,
      409,
    ),
  );
  const twice = await Promise.allSettled([1, 2].map(() => make({ EventSourceArn: `${SQS}2` })));
  expect(twice.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
});

test("a queue that is not there, when it is made and when it is changed", async () => {
  await createSettled();
  const says =
    "Error occurred while ReceiveMessage. SQS Error Code: AWS.SimpleQueueService.NonExistentQueue. SQS Error Message: The specified queue does not exist.";
  const { UUID } = await make();
  await expect.poll(() => stateOf(UUID)).toBe("Enabled");
  spoilSources(says);
  await expect(make({ EventSourceArn: `${SQS}2` })).rejects.toEqual(failure("InvalidParameterValueException", says));
  await expect(update(UUID, { BatchSize: 1 })).rejects.toEqual(failure("InvalidParameterValueException", says));
  expect(await stateOf(UUID)).toBe("Enabled");
  expect((await update(UUID, { Enabled: false })).State).toBe("Disabling");
});

describe("refusals, as Lambda words them", () => {
  const parameter = "InvalidParameterValueException";
  const validation = "ValidationException";
  test.for<[Partial<Create>, string, string | RegExp]>([
    [{ FunctionName: "none" }, parameter, "Function does not exist"],
    [{ FunctionName: "f:nowhere" }, parameter, "Function does not exist"],
    [{ EventSourceArn: undefined }, parameter, "Unrecognized event source."],
    [{ EventSourceArn: "arn:aws:sns:us-east-1:000000000000:t" }, parameter, "Unrecognized event source."],
    [
      { EventSourceArn: "arn:aws:kinesis:us-east-1:000000000000:stream/s" },
      parameter,
      "1 validation error detected: Value null at 'startingPosition' failed to satisfy constraint: Member must not be null.",
    ],
    [
      { DestinationConfig: { OnSuccess: { Destination: SQS } } },
      parameter,
      "Unsupported DestinationConfig parameter for given event source mapping type.",
    ],
    [
      { BisectBatchOnFunctionError: true },
      parameter,
      "Unsupported BisectBatchOnFunctionError parameter for given event source mapping type.",
    ],
    [
      { StartingPosition: "invalid" as never },
      validation,
      "1 validation error detected: Value 'invalid' at 'startingPosition' failed to satisfy constraint: Member must satisfy enum value set: [LATEST, AT_TIMESTAMP, TRIM_HORIZON]",
    ],
    [{ FilterCriteria: { Filters: [{ Pattern: '{"a":1}' }] } }, parameter, "Invalid filter pattern definition."],
    [{ FilterCriteria: { Filters: [{}] } }, parameter, "Invalid filter pattern definition."],
    [
      { BatchSize: 11 },
      parameter,
      "Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10",
    ],
    [{ EventSourceArn: `${SQS}.fifo`, BatchSize: 11, MaximumBatchingWindowInSeconds: 1 }, parameter, /FIFO/],
    [{ BatchSize: 0 }, validation, /at 'batchSize' .* greater than or equal to 1$/],
    [{ BatchSize: 10_001 }, validation, /at 'batchSize' .* less than or equal to 10000$/],
    [{ MaximumBatchingWindowInSeconds: 301 }, validation, /at 'maximumBatchingWindowInSeconds' /],
    [{ ScalingConfig: { MaximumConcurrency: 1 } }, validation, /at 'scalingConfig.maximumConcurrency' /],
    [{ FunctionResponseTypes: ["Other" as never] }, validation, /at 'functionResponseTypes' /],
    [{ EventSourceArn: "queue" }, validation, /at 'eventSourceArn' .* regular expression pattern: arn:/],
  ])("%j", async ([input, type, message]) => {
    await createSettled();
    await expect(make(input)).rejects.toEqual(failure(type, message));
  });

  test("no such mapping", async () => {
    const error = failure("ResourceNotFoundException", "The resource you requested does not exist.", 404);
    const UUID = "5e7ab8ec-0000-4000-8000-000000000000";
    await expect(get(UUID)).rejects.toEqual(error);
    await expect(update(UUID, { BatchSize: 1 })).rejects.toEqual(error);
    await expect(client.send(new DeleteEventSourceMappingCommand({ UUID }))).rejects.toEqual(error);
  });

  test("no function is named", async () => {
    const answer = await call("POST", "/2015-03-31/event-source-mappings/", "{}");
    expect([answer.status, ((await answer.json()) as { message: string }).message]).toEqual([
      400,
      "1 validation error detected: Value null at 'functionName' failed to satisfy constraint: Member must not be null",
    ]);
  });
});
