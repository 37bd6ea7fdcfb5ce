/** Statistics and the lines that a bench ends with. */

export const median = (values: ReadonlyArray<number>): number => {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  return sorted.length % 2 === 1
    ? (sorted[middle] ?? Number.NaN)
    : ((sorted[middle - 1] ?? Number.NaN) + (sorted[middle] ?? Number.NaN)) / 2
}

/** The value below which `share` (0 to 1) of the values are. */
export const percentile = (values: ReadonlyArray<number>, share: number): number => {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
}

export interface Target {
  readonly bound: number
  /** Whether to stay below it or to reach it. */
  readonly want: "at most" | "at least"
}

export const atMost = (bound: number): Target => ({ bound, want: "at most" })
export const atLeast = (bound: number): Target => ({ bound, want: "at least" })

const rows: Array<ReadonlyArray<string>> = []
let missed = 0

const show = (value: number) => value.toFixed(Math.abs(value) < 10 ? 2 : Math.abs(value) < 100 ? 1 : 0)

/** Notes the median of what was measured, beside its target where it has one. */
export const figure = (name: string, values: ReadonlyArray<number>, unit: string, target?: Target): void => {
  const middle = median(values)
  const reached =
    target === undefined
      ? ""
      : (target.want === "at most" ? middle <= target.bound : middle >= target.bound)
        ? "yes"
        : "NO"
  if (reached === "NO") missed += 1
  rows.push([
    name,
    `${show(middle)} ${unit}`,
    values.length > 1 ? `${show(Math.min(...values))} to ${show(Math.max(...values))}, ${values.length} runs` : "",
    target === undefined ? "" : `${target.want} ${target.bound} ${unit}`,
    reached
  ])
}

/** Prints everything noted, as one table. */
export const print = (title: string): void => {
  const table = [["", "median", "range", "target", "reached"], ...rows]
  const widths = table[0]?.map((_, column) => Math.max(...table.map((row) => (row[column] ?? "").length))) ?? []
  console.log(`\n${title}\n`)
  for (const row of table)
    console.log(
      `  ${row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join("  ")
        .trimEnd()}`
    )
  console.log(missed === 0 ? "\nEvery target is reached." : `\n${missed} targets are missed.`)
}

/** Says what is going on, on standard error: what is printed are figures. */
export const progress = (text: string): void => {
  process.stderr.write(`  · ${text}\n`)
}
