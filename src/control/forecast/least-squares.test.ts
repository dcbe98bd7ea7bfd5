import fc from "fast-check";
import { expect, test } from "vitest";
import { LeastSquares } from "./least-squares.ts";

const weight = fc.integer({ min: -5, max: 5 });
const input = fc.double({ min: -10, max: 10, noNaN: true });

test("it learns a linear relation from examples that span it", () => {
  fc.assert(
    fc.property(
      fc.tuple(weight, weight, weight),
      fc.array(fc.tuple(input, input), { maxLength: 30 }),
      (w, examples) => {
        const model = new LeastSquares(3, 0.999);
        const value = (x: Float64Array) => x.reduce((sum, part, i) => sum + part * w[i]!, 0);
        const basis: [number, number][] = [
          [0, 0],
          [5, 0],
          [0, 5],
          [-3, 4],
        ];
        for (let round = 0; round < 20; round++) {
          for (const [a, b] of [...basis, ...examples]) {
            const x = Float64Array.of(1, a, b);
            model.learn(x, value(x));
          }
        }
        const probe = Float64Array.of(1, 2, -1);
        expect(model.predict(probe)).toBeCloseTo(value(probe), 2);
      },
    ),
  );
});

test("inputs that never vary do not wear it out", () => {
  const model = new LeastSquares(3, 0.99);
  for (let i = 0; i < 100_000; i++) model.learn(Float64Array.of(1, 0, 4), 9);
  expect(model.predict(Float64Array.of(1, 0, 4))).toBeCloseTo(9, 6);
  // And it still learns.
  for (let i = 0; i < 2000; i++) model.learn(Float64Array.of(1, i % 2, 4), i % 2 === 0 ? 9 : 12);
  expect(model.predict(Float64Array.of(1, 1, 4))).toBeCloseTo(12, 3);
});
