import { scaleLinear, scaleLog } from "d3-scale";
import { curveLinear, curveStepAfter, line } from "d3-shape";

/** One axis; a linear one may be made to begin at 0. */
export type Axis = { readonly label: string; readonly scale: "linear" | "log"; readonly fromZero?: boolean };

/** What is drawn in one colour. A marked series is ours: it is drawn so that it stands out. */
export type Series = {
  readonly label: string;
  /** `steps`: a value holds until the next one. */
  readonly mark: "points" | "line" | "steps";
  readonly isOurs: boolean;
  readonly points: readonly (readonly [x: number, y: number])[];
  /** One for each point, shown by viewers that can. */
  readonly titles?: readonly string[];
};

/** Plain data; `renderChart` draws it. */
export type Chart = { readonly title: string; readonly x: Axis; readonly y: Axis; readonly series: readonly Series[] };

/** A chart as a self-contained SVG document, on a white ground so that it can be read in any viewer. */
export function renderChart({ title, x, y, series }: Chart): string {
  const points = series.flatMap((one) => one.points);
  const toX = scaleOf(
    x,
    points.map(([value]) => value),
    [LEFT, WIDTH - RIGHT],
  );
  const toY = scaleOf(
    y,
    points.map(([, value]) => value),
    [HEIGHT - BOTTOM, TOP],
  );
  const drawn = series.map((one, i) => drawSeries(one, i, toX, toY));
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="12">`,
    `<title>${escaped(title)}</title>`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="#fff"/>`,
    text(LEFT, 24, title, 'font-size="15" font-weight="bold"'),
    ...toX.ticks(TICKS).map((value) => drawTickX(toX(value), label(x, value))),
    ...toY.ticks(TICKS).map((value) => drawTickY(toY(value), label(y, value))),
    text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 12, x.label, 'text-anchor="middle"'),
    `<g transform="translate(16 ${(TOP + HEIGHT - BOTTOM) / 2}) rotate(-90)">${text(0, 0, y.label, 'text-anchor="middle"')}</g>`,
    // Ours last, so that it lies above the others.
    ...drawn.toSorted((a, b) => Number(a.isOurs) - Number(b.isOurs)).map(({ svg }) => svg),
    ...series.map((one, i) => drawLegend(one, i)),
    "</svg>",
    "",
  ].join("\n");
}

const [WIDTH, HEIGHT] = [960, 480];
const [LEFT, RIGHT, TOP, BOTTOM] = [92, 330, 44, 52];
const TICKS = 6;
const OURS = "#c1121f";
/** Apart for most eyes, also in grey (after Okabe and Ito). */
const OTHERS = [
  "#0072b2",
  "#e69f00",
  "#009e73",
  "#56b4e9",
  "#7f5a9d",
  "#555555",
  "#a0722a",
  "#b0b0b0",
  "#3f7f3f",
  "#d48fb0",
];

type Scale = { (value: number): number; ticks(count: number): number[] };

function scaleOf(axis: Axis, values: readonly number[], range: [number, number]): Scale {
  const finite = values.filter((value) => Number.isFinite(value) && (axis.scale === "linear" || value > 0));
  const least = axis.fromZero === true ? 0 : Number.POSITIVE_INFINITY;
  const domain = [Math.min(least, ...finite), Math.max(...finite)];
  const scale = axis.scale === "log" ? scaleLog(domain, range) : scaleLinear(domain, range);
  return scale.nice();
}

/** A logarithmic scale has more ticks than there is room for words. */
function label(axis: Axis, value: number): string {
  const first = value.toExponential()[0];
  if (axis.scale === "log" && first !== "1" && first !== "2" && first !== "5") return "";
  return value.toLocaleString("en-US", { maximumSignificantDigits: 4 });
}

function drawSeries(series: Series, index: number, toX: Scale, toY: Scale): { isOurs: boolean; svg: string } {
  const colour = colourOf(series, index);
  const points = series.points.filter((point) => point.every(Number.isFinite));
  const path = line<readonly [number, number]>(
    ([value]) => toX(value),
    ([, value]) => toY(value),
  ).curve(series.mark === "steps" ? curveStepAfter : curveLinear)(points);
  const radius = series.isOurs ? 5 : 4;
  const marks = points.map(([px, py], i) => {
    const at = `cx="${toX(px).toFixed(1)}" cy="${toY(py).toFixed(1)}" r="${series.mark === "points" ? radius : 2.5}"`;
    const title = series.titles?.[i];
    return title === undefined ? `<circle ${at}/>` : `<circle ${at}><title>${escaped(title)}</title></circle>`;
  });
  const stroke =
    series.mark !== "points" ? `<path d="${path ?? ""}" fill="none" stroke="${colour}" stroke-width="2"/>` : "";
  return { isOurs: series.isOurs, svg: `<g fill="${colour}" fill-opacity="0.85">${stroke}${marks.join("")}</g>` };
}

function drawLegend(series: Series, index: number): string {
  const [left, top] = [WIDTH - RIGHT + 24, TOP + 12 + index * 22];
  const weight = series.isOurs ? 'font-weight="bold"' : "";
  return `<circle cx="${left}" cy="${top - 4}" r="5" fill="${colourOf(series, index)}"/>${text(left + 12, top, series.label, weight)}`;
}

function colourOf({ isOurs }: Series, index: number): string {
  return isOurs ? OURS : (OTHERS[index % OTHERS.length] ?? OURS);
}

function drawTickX(at: number, words: string): string {
  const grid = `<line x1="${at}" x2="${at}" y1="${TOP}" y2="${HEIGHT - BOTTOM}" stroke="#e5e5e5"/>`;
  return grid + text(at, HEIGHT - BOTTOM + 18, words, 'text-anchor="middle"');
}

function drawTickY(at: number, words: string): string {
  const grid = `<line x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${at}" y2="${at}" stroke="#e5e5e5"/>`;
  return grid + text(LEFT - 8, at + 4, words, 'text-anchor="end"');
}

function text(left: number, top: number, words: string, attributes = ""): string {
  return `<text x="${left.toFixed(1)}" y="${top.toFixed(1)}" ${attributes}>${escaped(words)}</text>`;
}

function escaped(words: string): string {
  return words.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
}
