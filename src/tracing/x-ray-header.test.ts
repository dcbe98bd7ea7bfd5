import fc from "fast-check";
import { expect, test } from "vitest";
import { parseXRayHeader, xRayHeaderText } from "./x-ray-header.ts";

const hex = (length: number) => fc.stringMatching(new RegExp(`^[0-9a-f]{${length}}$`)).filter((id) => !/^0+$/.test(id));

test("what is told is understood by whoever is told", () => {
  fc.assert(
    fc.property(
      hex(32),
      hex(16),
      fc.boolean(),
      fc.constantFrom("", ";Lineage=1:a87bd80c:0"),
      (traceId, span, is, others) => {
        const text = xRayHeaderText(traceId, span, is, others);
        expect(parseXRayHeader(text)).toEqual({ traceId, parentSpanId: span, isSampled: is, others });
      },
    ),
  );
});

test("members come in any order and case; what is missing is undecided", () => {
  const traceId = "5759e988bd862e3fe1be46a994272793";
  const root = "Root=1-5759e988-bd862e3fe1be46a994272793";
  expect(parseXRayHeader(`sampled=0; parent=53995c3f42cd8ad8 ;${root}`)).toEqual({
    traceId,
    parentSpanId: "53995c3f42cd8ad8",
    isSampled: false,
    others: "",
  });
  expect(parseXRayHeader(`Self=1-67891234-12456789abcdef012345678;${root};Sampled=?;CalledFrom=app`)).toEqual({
    traceId,
    parentSpanId: undefined,
    isSampled: undefined,
    others: ";CalledFrom=app",
  });
});

test.each([
  "",
  "Root=1-2-3",
  "Parent=53995c3f42cd8ad8;Sampled=1",
  "Root=1-00000000-000000000000000000000000",
  ";;=",
  "Root",
])("%j names no trace", (text) => {
  expect(parseXRayHeader(text)).toBeUndefined();
});

test("anything may be sent", () => {
  fc.assert(fc.property(fc.string(), (text) => void parseXRayHeader(text)));
});
