import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { EventRequest, Extension, ExtensionEvent } from "./extension.ts";
import { EXTENSIONS_MAX, ExtensionBook, type Refusal } from "./extension-book.ts";

const INVOKE: ExtensionEvent = {
  eventType: "INVOKE",
  deadlineMs: 1,
  requestId: "r-1",
  invokedFunctionArn: "arn",
  tracing: { type: "X-Amzn-Trace-Id", value: "" },
};
const SHUTDOWN: ExtensionEvent = { eventType: "SHUTDOWN", shutdownReason: "spindown", deadlineMs: 1 };

function open(externals: readonly string[] = []) {
  const story: string[] = [];
  const book = new ExtensionBook(externals, {
    onRegistered: () => story.push("registered"),
    onReady: () => story.push("ready"),
  });
  const asked = () => {
    const answers: string[] = [];
    const request: EventRequest & { answers: string[]; hangUp(): void } = {
      answers,
      isOpen: () => answers.length < 1,
      answer: ({ eventType }) => answers.push(eventType),
      hangUp: () => answers.push("hung up"),
    };
    return request;
  };
  const register = (name: string, events: string[]) => book.register(name, events) as Extension;
  return { book, story, asked, register };
}

describe("extensions", () => {
  test("the runtime starts when all external ones are there, and init ends when all have asked", () => {
    const { book, story, asked, register } = open(["a", "b"]);
    const a = register("a", ["INVOKE", "SHUTDOWN"]);
    expect(story).toEqual([]);
    const b = register("b", ["SHUTDOWN"]);
    expect(story).toEqual(["registered"]);
    const inner = register("inner", ["INVOKE"]);
    for (const extension of [a, b]) book.next(extension, asked());
    book.closeRegistration();
    expect(book.isReady).toBe(false);
    book.next(inner, asked());
    expect([story, book.isReady]).toEqual([["registered", "ready"], true]);
  });

  test("an invocation waits for those who asked to be told of it, and no others", () => {
    const { book, story, asked, register } = open(["a", "b"]);
    const [a, b] = [register("a", ["INVOKE"]), register("b", ["SHUTDOWN"])];
    const [ofA, ofB] = [asked(), asked()];
    book.next(a, ofA);
    book.next(b, ofB);
    book.closeRegistration();
    expect(book.tell(INVOKE)).toEqual([a]);
    expect([ofA.answers, ofB.answers, book.isReady]).toEqual([["INVOKE"], [], false]);
    book.next(a, asked());
    expect([story, book.isReady]).toEqual([["registered", "ready"], true]);
    book.tell(SHUTDOWN);
    expect(ofB.answers).toEqual(["SHUTDOWN"]);
  });

  test("an event waits for one whose request was cut", () => {
    const { book, asked, register } = open();
    const inner = register("inner", ["INVOKE"]);
    const [first, second, third] = [asked(), asked(), asked()];
    book.next(inner, first);
    book.closeRegistration();
    first.hangUp();
    book.tell(INVOKE);
    expect(book.isReady).toBe(false);
    expect(book.next(inner, second)).toBeUndefined();
    expect([second.answers, book.isReady]).toEqual([["INVOKE"], false]);
    book.next(inner, third);
    expect(book.isReady).toBe(true);
  });

  test("a second request beside an open one is refused", () => {
    const { book, asked, register } = open();
    const inner = register("inner", ["INVOKE"]);
    book.next(inner, asked());
    expect(book.next(inner, asked())).toMatchObject({
      errorType: "Extension.InvalidExtensionState",
      errorMessage: `State transition from Ready to Ready failed for extension ${inner.id}. Error: State transition is not allowed`,
    });
  });

  test("refusals of a registration are Lambda's", () => {
    const { book, register } = open(["a"]);
    const refused = (name: string, events: string[]) => (book.register(name, events) as Refusal).errorType;
    expect(book.register("inner", ["SHUTDOWN"])).toEqual({
      errorType: "Extension.InvalidEventType",
      errorMessage: "SHUTDOWN: ShutdownEventNotSupportedForInternalExtension",
    });
    expect(book.register("a", ["RESTORE"])).toEqual({
      errorType: "Extension.InvalidEventType",
      errorMessage: "RESTORE: ErrorInvalidEventType",
    });
    register("a", []);
    expect(book.register("a", [])).toMatchObject({
      errorMessage:
        "State transition from Registered to Registered failed for extension a. Error: State transition is not allowed",
    });
    register("inner", []);
    expect(book.register("inner", [])).toMatchObject({ errorMessage: "Extension with this name already registered" });
    for (let n = 2; n < EXTENSIONS_MAX; n += 1) register(`inner-${n}`, []);
    expect(book.register("eleventh", [])).toEqual({
      errorType: "Extension.TooManyExtensions",
      errorMessage: "Extension limit (10) reached",
    });
    book.closeRegistration();
    expect(refused("late", [])).toBe("Extension.RegistrationClosed");
  });

  test("whatever is called in whatever order, nobody hears an event twice and readiness is told once", () => {
    const names = ["a", "b", "c"];
    const step = fc.oneof(
      fc.record({
        do: fc.constant("register" as const),
        name: fc.constantFrom(...names),
        events: fc.subarray(["INVOKE", "SHUTDOWN", "x"]),
      }),
      fc.record({
        do: fc.constantFrom("next" as const, "hangUp" as const, "fail" as const),
        name: fc.constantFrom(...names),
      }),
      fc.record({ do: fc.constantFrom("close" as const, "invoke" as const) }),
    );
    const property = fc.property(fc.subarray(["a", "b"]), fc.array(step, { maxLength: 40 }), (externals, steps) => {
      const { book, story, asked } = open(externals);
      const requests = new Map<string, ReturnType<typeof asked>[]>();
      for (const one of steps) {
        const before = story.filter((what) => what === "ready").length;
        const known = "name" in one ? book.all().find(({ name }) => name === one.name) : undefined;
        if (one.do === "register") book.register(one.name, one.events);
        else if (one.do === "close") book.closeRegistration();
        else if (one.do === "invoke") {
          if (book.isReady && !book.isOpen) book.tell(INVOKE);
        } else if (known !== undefined && book.find(known.id) !== undefined) {
          if (one.do === "fail") book.fail(known, "ExitError", "x");
          else if (one.do === "hangUp") requests.get(known.name)?.at(-1)?.hangUp();
          else {
            const request = asked();
            if (book.next(known, request) === undefined)
              requests.set(known.name, [...(requests.get(known.name) ?? []), request]);
          }
        }
        const told = story.filter((what) => what === "ready").length - before;
        expect(told).toBeLessThanOrEqual(1);
        if (told === 1) expect(book.isReady && !book.isOpen).toBe(true);
        expect(book.size).toBeLessThanOrEqual(EXTENSIONS_MAX);
      }
      for (const { answers } of [...requests.values()].flat()) {
        expect(answers.filter((answer) => answer === "INVOKE").length).toBeLessThanOrEqual(1);
      }
      expect(story.filter((what) => what === "registered").length).toBeLessThanOrEqual(1);
    });
    fc.assert(property, { numRuns: 1000 });
  });
});
