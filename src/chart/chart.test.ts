import { expect, test } from "vitest";
import { type Chart, renderChart } from "./chart.ts";

const chart: Chart = {
  title: "a < b & c",
  x: { label: "executions", scale: "linear", fromZero: true },
  y: { label: "MiB", scale: "linear", fromZero: true },
  series: [
    {
      label: "steps",
      mark: "steps",
      isOurs: true,
      points: [
        [0, 100],
        [50, 40],
        [100, 40],
      ],
    },
    { label: "dots", mark: "points", isOurs: false, points: [[50, 40]], titles: ['smaller: 40 < 100, "proven"'] },
  ],
};

test("what is told is escaped, and numbers are where they belong", () => {
  const svg = renderChart(chart);
  expect(svg).toContain("<title>a &lt; b &amp; c</title>");
  expect(svg).toContain("<title>smaller: 40 &lt; 100, ");
  expect(svg).not.toContain("NaN");
  const dot = /<circle cx="([\d.]+)" cy="([\d.]+)" r="4">/.exec(svg);
  const [start, middle, end] = [...svg.matchAll(/<circle cx="([\d.]+)" cy="([\d.]+)" r="2.5"\/>/g)];
  expect(Number(dot?.[1])).toBeCloseTo((Number(start?.[1]) + Number(end?.[1])) / 2, 0);
  expect(dot?.slice(1, 3)).toEqual(middle?.slice(1, 3));
  expect(Number(start?.[2])).toBeLessThan(Number(middle?.[2])); // More is higher up.
});

test("steps go across, then down", () => {
  const path = /<path d="([^"]*)"/.exec(renderChart(chart))?.[1] ?? "";
  const points = path
    .slice(1)
    .split("L")
    .map((point) => point.split(",").map(Number));
  expect(points).toHaveLength(5);
  expect(points[1]?.[1]).toBe(points[0]?.[1]);
  expect(points[2]?.[0]).toBe(points[1]?.[0]);
});
