import { cpuDemandOf, durationMsAt } from "../../../src/control/sizing/cpu-demand.ts";
import { sum } from "../../quantile.ts";
import type { LabTable } from "../lab.ts";
import type { CpuCurve, CpuLevel } from "./cpu-curves.ts";
import { throttledMs } from "./cpu-replay.ts";
import { fitCurve, fitExponential, fitHyperbola, fittedMs } from "./curve-fit.ts";

/** Predicts from some levels. */
type Model = (levels: readonly CpuLevel[]) => (cpuMilli: number) => number;

const MODELS: Readonly<Record<string, Model>> = {
  "W + C / min(c, p)": (levels) => {
    const fit = fitCurve(levels);
    return (milli) => fittedMs(fit, milli);
  },
  "a0 + a1 · e^(−c / a2) (Parrotfish)": fitExponential,
  "a + b / c": fitHyperbola,
};

/** Mean relative errors of predicted durations. */
export function predictionErrors(curves: readonly CpuCurve[]) {
  const unseenLevel = Object.fromEntries(
    Object.entries(MODELS).map(([name, model]) => [name, mean(curves.map((curve) => leaveOneOut(curve, model)))]),
  );
  return { unseenLevel, oneSize: mean(curves.map(fromOneSize)) };
}

export function predictionTable({ unseenLevel, oneSize }: ReturnType<typeof predictionErrors>): LabTable {
  return {
    title: "Durations at CPU levels that were not seen",
    headings: ["from", "mean error %"],
    rows: [
      ...Object.entries(unseenLevel).map(([name, error]) => [`all other levels, ${name}`, (error * 100).toFixed(1)]),
      ["executions at one level (Hearth)", (oneSize * 100).toFixed(1)],
    ],
  };
}

/** Every level but the outermost is left out in turn: beyond them nothing is predicted by anybody. */
function leaveOneOut({ levels }: CpuCurve, model: Model): number {
  const inner = levels.slice(1, -1);
  return mean(
    inner.map((left) => {
      const predict = model(levels.filter((level) => level !== left));
      return Math.abs(predict(left.cpuMilli) / left.durationMs - 1);
    }),
  );
}

function fromOneSize(curve: CpuCurve): number {
  const { levels, fit } = curve;
  return mean(
    levels.flatMap((seen) => {
      const { cpuMilli, durationMs: wallMs } = seen;
      const demand = cpuDemandOf({ cpuMilli, wallMs, cpuMs: fit.cpuMs, throttledMs: throttledMs(curve, cpuMilli) });
      return levels
        .filter((level) => level !== seen)
        .map((level) => Math.abs(durationMsAt(demand, level.cpuMilli) / level.durationMs - 1));
    }),
  );
}

function mean(values: readonly number[]): number {
  return sum(values) / values.length;
}
