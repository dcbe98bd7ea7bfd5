/** Prints rows under their headings; the first column to the left, numbers to the right. */
export function printTable(headings: readonly string[], rows: readonly (readonly (string | number)[])[]): void {
  const lines = [headings, ...rows.map((row) => row.map(textOf))];
  const widths = headings.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)));
  console.log();
  for (const line of lines) {
    const cells = widths.map((width, column) => pad(line[column] ?? "", width, column === 0));
    console.log(cells.join("  ").trimEnd());
  }
  console.log();
}

function textOf(cell: string | number): string {
  return typeof cell === "string" ? cell : cell.toLocaleString("en-US", { maximumFractionDigits: 2 });
}

function pad(text: string, width: number, isLeft: boolean): string {
  return isLeft ? text.padEnd(width) : text.padStart(width);
}
