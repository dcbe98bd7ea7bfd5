import { z } from "zod";
import { parseDestination } from "../../model/destination.ts";
import type { EventSourceSettings } from "../../ports/event-source.ts";
import { optional } from "./function-input.ts";
import { invalidParameter } from "./lambda-error.ts";

const target = z.object({ Destination: optional(z.string()) });

const BATCH_SIZE_DEFAULT = 10;
/** Of a FIFO queue, and of any queue whose messages are not collected. */
const PLAIN_BATCH_SIZE_MAX = 10;
const FILTERS_MAX = 5;

/** What is only for streams, topics and clusters. */
const foreignMembers = {
  AmazonManagedKafkaEventSourceConfig: optional(z.looseObject({})),
  BisectBatchOnFunctionError: optional(z.boolean()),
  DestinationConfig: optional(z.object({ OnSuccess: optional(target), OnFailure: optional(target) })),
  DocumentDBEventSourceConfig: optional(z.looseObject({})),
  MaximumRecordAgeInSeconds: optional(z.int()),
  MaximumRetryAttempts: optional(z.int()),
  ParallelizationFactor: optional(z.int()),
  Queues: optional(z.array(z.string())),
  SelfManagedEventSource: optional(z.looseObject({})),
  SelfManagedKafkaEventSourceConfig: optional(z.looseObject({})),
  SourceAccessConfigurations: optional(z.array(z.looseObject({}))),
  Topics: optional(z.array(z.string())),
  TumblingWindowInSeconds: optional(z.int()),
};

export const eventSourceInput = z.object({
  ...foreignMembers,
  EventSourceArn: optional(z.string()),
  FunctionName: optional(z.string()),
  Enabled: optional(z.boolean()),
  BatchSize: optional(z.int()),
  MaximumBatchingWindowInSeconds: optional(z.int()),
  FilterCriteria: optional(z.object({ Filters: optional(z.array(z.object({ Pattern: optional(z.string()) }))) })),
  FunctionResponseTypes: optional(z.array(z.string())),
  ScalingConfig: optional(z.object({ MaximumConcurrency: optional(z.int()) })),
  StartingPosition: optional(z.string()),
  Tags: optional(z.record(z.string(), z.string())),
});

type EventSourceInput = z.output<typeof eventSourceInput>;

/** The queue that a mapping is made for. @throws LambdaError for sources that Hearth does not read. */
export function queueArnOf(input: EventSourceInput): string {
  const { EventSourceArn: arn, StartingPosition: position } = input;
  if (arn === undefined) throw invalidParameter("Unrecognized event source.");
  const service = arn.split(":")[2] ?? "";
  if (["kinesis", "dynamodb"].includes(service) && position === undefined) {
    throw invalidParameter(
      "1 validation error detected: Value null at 'startingPosition' failed to satisfy constraint: Member must not be null.",
    );
  }
  if (parseDestination(arn)?.kind !== "sqs") throw invalidParameter("Unrecognized event source.");
  checkForeignMembers(input);
  return arn;
}

/** @throws LambdaError for a setting that queues do not have. */
export function checkForeignMembers(input: EventSourceInput): void {
  const given = (Object.keys(foreignMembers) as (keyof typeof foreignMembers)[]).find((name) => !isEmpty(input[name]));
  if (given === undefined) return;
  throw invalidParameter(`Unsupported ${given} parameter for given event source mapping type.`);
}

/** Absent, or it says nothing: some clients send members that are not set as empty ones. */
function isEmpty(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return value === undefined || value === null || value === false;
  return Object.values(value).every(isEmpty);
}

/** The settings that a valid input states, apart from the function. @throws LambdaError. */
export function eventSourceSettingsOf(
  input: EventSourceInput,
  isPattern: (text: string) => boolean,
): Partial<EventSourceSettings> {
  const { Enabled, BatchSize, MaximumBatchingWindowInSeconds: windowS, FilterCriteria, ScalingConfig } = input;
  const filters = FilterCriteria?.Filters?.map(({ Pattern: pattern = "" }) => checkedPattern(pattern, isPattern));
  if (FilterCriteria !== undefined && (filters?.length ?? 0) > FILTERS_MAX) {
    throw invalidParameter(`FilterCriteria has more than ${FILTERS_MAX} filters.`);
  }
  return {
    ...(Enabled === undefined ? {} : { isEnabled: Enabled }),
    ...(BatchSize === undefined ? {} : { batchSize: BatchSize }),
    ...(windowS === undefined ? {} : { windowMs: windowS * 1000 }),
    ...(FilterCriteria === undefined ? {} : { filters: filters ?? [] }),
    ...(input.FunctionResponseTypes === undefined
      ? {}
      : { reportsItemFailures: input.FunctionResponseTypes.length > 0 }),
    ...(ScalingConfig === undefined ? {} : { concurrencyMax: ScalingConfig.MaximumConcurrency }),
  };
}

/** What a mapping is without being told. */
export const EVENT_SOURCE_DEFAULTS: Omit<EventSourceSettings, "functionName" | "qualifier"> = {
  isEnabled: true,
  batchSize: BATCH_SIZE_DEFAULT,
  windowMs: 0,
  filters: [],
  reportsItemFailures: false,
  concurrencyMax: undefined,
};

/** What goes together and what does not. @throws LambdaError. */
export function checkBatch(arn: string, { batchSize, windowMs }: { batchSize: number; windowMs: number }): void {
  if (arn.endsWith(".fifo")) {
    if (batchSize > PLAIN_BATCH_SIZE_MAX) {
      throw invalidParameter(`Batch size must be less than or equal to ${PLAIN_BATCH_SIZE_MAX} for FIFO queues`);
    }
    if (windowMs > 0) throw invalidParameter("Batching window is not supported for FIFO queues");
  }
  if (batchSize > PLAIN_BATCH_SIZE_MAX && windowMs === 0) {
    throw invalidParameter(
      "Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10",
    );
  }
}

function checkedPattern(pattern: string, isPattern: (text: string) => boolean): string {
  if (isPattern(pattern)) return pattern;
  throw invalidParameter("Invalid filter pattern definition.");
}
