import { readFileSync } from "node:fs"

import { ticksPerSecond, treeCpuMillis } from "./Processes.ts"

/** What else the machine does: the first thing to know of a time that was measured on one that others use too. */

const busyMillis = () => {
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0] = readFileSync("/proc/stat", "utf8")
    .slice(4, 200)
    .trim()
    .split(/\s+/)
    .map(Number)
  return ((user + nice + system + irq + softirq) * 1000) / ticksPerSecond
}

/** Runs `use`; says how much of one core everybody else took meanwhile. */
export const watch = async <A>(use: () => Promise<A>): Promise<{ readonly value: A; readonly others: number }> => {
  const began = performance.now()
  const busy = busyMillis()
  const ours = treeCpuMillis(process.pid)
  const value = await use()
  const others = busyMillis() - busy - (treeCpuMillis(process.pid) - ours)
  return { value, others: Math.max(0, others / (performance.now() - began)) }
}

/** More than this share of a core, taken by others, and a time says more about them. */
const quietShare = 0.1

/** As `watch`. While others take more than a tenth of a core it is done again, up to `tries` times; the quietest counts. */
export const quietly = async <A>(use: () => Promise<A>, tries = 3) => {
  let best = await watch(use)
  for (let turn = 1; turn < tries && best.others > quietShare; turn++) {
    const next = await watch(use)
    if (next.others < best.others) best = next
  }
  return best
}
