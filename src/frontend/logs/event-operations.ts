import { z } from "zod";
import type { AccountId } from "../../model/ids.ts";
import type { Clock } from "../../ports/clock.ts";
import { type LogGroups, logNameOf } from "../../ports/log-groups.ts";
import type { LogEvent, LogStore } from "../../ports/log-store.ts";
import { type JsonOperation, jsonOperation } from "../aws/json-service.ts";
import { type EventPage, eventPageOf, LAST_EVENTS } from "./event-page.ts";
import { eventIdOf, FIRST, positionOf, tokenOf } from "./event-position.ts";
import { filterPattern } from "./filter-pattern.ts";
import { type GroupNames, namedGroup } from "./group-names.ts";
import { groupMissing, invalidParameter, streamMissing } from "./log-errors.ts";
import { streamsOf } from "./log-streams.ts";

const EVENTS_MAX = 10_000;
const STREAMS_MAX = 50;
const STREAM_NAMES_MAX = 100;
const DAY_MS = 86_400_000;

const time = z.number().int().min(0);
const events = z.number().int().min(1).max(EVENTS_MAX).default(EVENTS_MAX);
const streamName = z.string().min(1).max(512);

const filterInput = namedGroup.extend({
  logStreamNames: z.array(streamName).min(1).max(STREAM_NAMES_MAX).optional(),
  logStreamNamePrefix: streamName.optional(),
  startTime: time.default(0),
  endTime: time.default(Number.MAX_SAFE_INTEGER),
  filterPattern: z.string().max(1024).optional(),
  nextToken: z.string().optional(),
  limit: events,
});

const getInput = namedGroup.extend({
  logStreamName: streamName,
  startTime: time.default(0),
  endTime: time.default(Number.MAX_SAFE_INTEGER),
  nextToken: z.string().optional(),
  limit: events,
  startFromHead: z.boolean().default(false),
});

const streamsInput = namedGroup.extend({
  logStreamNamePrefix: streamName.optional(),
  orderBy: z.enum(["LogStreamName", "LastEventTime"]).default("LogStreamName"),
  descending: z.boolean().default(false),
  nextToken: z.string().optional(),
  limit: z.number().int().min(1).max(STREAMS_MAX).default(STREAMS_MAX),
});

export type EventOperationsOptions = {
  readonly groups: Pick<LogGroups, "get">;
  readonly logs: Pick<LogStore, "read">;
  readonly names: GroupNames;
  readonly clock: Clock;
};

/** What is read of logs: events by filter or by stream, and which streams there are. */
export function eventOperations(options: EventOperationsOptions): Record<string, JsonOperation> {
  const { names, clock } = options;

  /** The log of a request's group. @throws LambdaError. */
  const logOf = (input: z.infer<typeof namedGroup>, accountId: AccountId): GroupLog => {
    const name = names.of(input, accountId);
    const group = options.groups.get(accountId, name);
    if (group === undefined) throw groupMissing();
    const { retentionDays } = group;
    const keptFromMs = retentionDays === undefined ? 0 : clock.nowMs() - retentionDays * DAY_MS;
    return {
      arn: names.arnOf(accountId, name),
      read: (fromMs, onEvent) => options.logs.read(accountId, logNameOf(name), Math.max(fromMs, keptFromMs), onEvent),
    };
  };

  return {
    FilterLogEvents: jsonOperation(filterInput, async (input, accountId) => {
      const { logStreamNames: streams, logStreamNamePrefix: prefix, startTime, endTime, limit, nextToken } = input;
      if (streams !== undefined && prefix !== undefined) {
        throw invalidParameter("logStreamNames and logStreamNamePrefix cannot be given together.");
      }
      const fits = filterPattern(input.filterPattern);
      const log = logOf(input, accountId);
      const page = await eventPageOf(log, {
        from: startTime,
        after: nextToken === undefined ? FIRST : positionOf(nextToken),
        limit,
        wants: ({ stream, atMs, text }) =>
          atMs <= endTime &&
          (streams === undefined || streams.includes(stream)) &&
          (prefix === undefined || stream.startsWith(prefix)) &&
          fits(text),
      });
      return {
        events: page.events.map((event) => ({
          logStreamName: event.stream,
          ...shownEvent(event),
          eventId: eventIdOf(event),
        })),
        searchedLogStreams: [],
        nextToken: page.isCut ? tokenOf(page.events.at(-1) ?? FIRST) : undefined,
      };
    }),

    GetLogEvents: jsonOperation(getInput, async (input, accountId) => {
      const { logStreamName, startTime, endTime, limit, nextToken } = input;
      const log = logOf(input, accountId);
      const [, direction, place] = /^([fb])\/(.+)$/.exec(nextToken ?? "") ?? [];
      if (nextToken !== undefined && direction === undefined) {
        throw invalidParameter("The specified nextToken is invalid.");
      }
      const asked = place === undefined ? undefined : positionOf(place);
      const isForward = direction === undefined ? input.startFromHead : direction === "f";
      let isThere = false;
      const page = await eventPageOf(log, {
        from: startTime,
        ...(isForward ? { after: asked ?? FIRST } : { before: asked ?? LAST_EVENTS }),
        limit,
        wants: ({ stream, atMs }) => {
          if (stream !== logStreamName) return false;
          isThere = true;
          return atMs < endTime;
        },
      });
      if (!isThere && asked === undefined && !(await hasStream(log, logStreamName))) throw streamMissing();
      return { events: page.events.map(shownEvent), ...tokensAround(page, asked) };
    }),

    DescribeLogStreams: jsonOperation(streamsInput, async (input, accountId) => {
      const { logStreamNamePrefix: prefix, orderBy, limit, nextToken } = input;
      if (prefix !== undefined && orderBy === "LastEventTime") {
        throw invalidParameter("Cannot order by LastEventTime with a logStreamNamePrefix.");
      }
      const log = logOf(input, accountId);
      const all = [...(await streamsOf(log)).values()].filter(
        ({ name }) => prefix === undefined || name.startsWith(prefix),
      );
      all.sort((a, b) => (orderBy === "LastEventTime" && a.lastMs - b.lastMs) || (a.name < b.name ? -1 : 1));
      if (input.descending) all.reverse();
      const start = nextToken === undefined ? 0 : all.findIndex(({ name }) => name === nextToken) + 1;
      if (nextToken !== undefined && start === 0) throw invalidParameter("The specified nextToken is invalid.");
      const page = all.slice(start, start + limit);
      return {
        logStreams: page.map(({ name, firstMs, lastMs }) => ({
          logStreamName: name,
          creationTime: firstMs,
          firstEventTimestamp: firstMs,
          lastEventTimestamp: lastMs,
          lastIngestionTime: lastMs,
          arn: `${log.arn}:log-stream:${name}`,
          // As CloudWatch has it since 2019, of every stream.
          storedBytes: 0,
        })),
        nextToken: start + limit < all.length ? page.at(-1)?.name : undefined,
      };
    }),
  };
}

/** The events of one group. */
export type GroupLog = {
  readonly arn: string;
  read(fromMs: number, onEvent: (event: LogEvent) => boolean): Promise<void>;
};

/** Its events may all be before the time that was asked for. */
async function hasStream(log: GroupLog, name: string): Promise<boolean> {
  let isThere = false;
  await log.read(0, ({ stream }) => {
    isThere = stream === name;
    return !isThere;
  });
  return isThere;
}

/** Messages end with their line, as those that Lambda writes do; within them a CR stands for a line end. */
function shownEvent({ atMs, text }: LogEvent) {
  return { timestamp: atMs, message: `${text.replaceAll("\r", "\n")}\n`, ingestionTime: atMs };
}

/** Where the pages after and before this one begin. Clients stop when they are given the token that they gave. */
function tokensAround({ events }: EventPage, asked = FIRST) {
  const first = events[0] ?? { ...asked, ordinal: asked.ordinal + 1 };
  const last = events.at(-1) ?? asked;
  return { nextForwardToken: `f/${tokenOf(last)}`, nextBackwardToken: `b/${tokenOf(first)}` };
}
