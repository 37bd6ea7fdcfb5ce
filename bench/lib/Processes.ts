import { readdirSync, readFileSync, statSync } from "node:fs"

/** What the kernel says about processes (Linux): the only figures that a busy machine does not bend. */

/** Ticks per second of /proc/<pid>/stat; 100 on every Linux that Node.js runs on. */
export const ticksPerSecond = 100

const read = (path: string): string => {
  try {
    return readFileSync(path, "utf8")
  } catch {
    // It has ended meanwhile.
    return ""
  }
}

/** The fields of /proc/<pid>/stat from the third on: the second, the name, may hold spaces. */
const stat = (pid: number) => {
  const text = read(`/proc/${pid}/stat`)
  return text.slice(text.lastIndexOf(")") + 2).split(" ")
}

const sumMillis = (fields: ReadonlyArray<string>) =>
  (fields.reduce((sum, field) => sum + Number(field), 0) * 1000) / ticksPerSecond

/** CPU time that a process has used, all its threads and not its children, in milliseconds. */
export const cpuMillis = (pid: number) => sumMillis(stat(pid).slice(11, 13))

/** CPU time that the children of a process have used which it has waited for. */
export const endedChildrenCpuMillis = (pid: number) => sumMillis(stat(pid).slice(13, 15))

/** Bytes that a process has read by system calls, of files and of sockets. */
export const bytesRead = (pid: number) => Number(/^rchar: (\d+)$/m.exec(read(`/proc/${pid}/io`))?.[1] ?? 0)

/** CPU time that a process and everything below it have used, those too that ended meanwhile. */
export const treeCpuMillis = (root: number) =>
  tree(root).reduce((sum, pid) => sum + sumMillis(stat(pid).slice(11, 15)), 0)

/** A process and everything below it. */
export const tree = (root: number): Array<number> => {
  const children = new Map<number, Array<number>>()
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue
    const parent = Number(stat(Number(name))[1])
    children.set(parent, [...(children.get(parent) ?? []), Number(name)])
  }
  const collect = (pid: number): Array<number> => [pid, ...(children.get(pid) ?? []).flatMap(collect)]
  return collect(root)
}

const kibibytes = (path: string, field: string) =>
  Number(new RegExp(`^${field}:\\s+(\\d+)`, "m").exec(read(path))?.[1] ?? 0)

/** Proportional set size in MiB: pages that several processes share count once, divided among them. */
export const pssMiB = (pid: number) => kibibytes(`/proc/${pid}/smaps_rollup`, "Pss") / 1024

export const rssMiB = (pid: number) => kibibytes(`/proc/${pid}/status`, "VmRSS") / 1024

/** How often a process has a file open. */
export const openTimes = (pid: number, path: string): number => {
  const { dev, ino } = statSync(path)
  const folder = `/proc/${pid}/fd`
  return readdirSync(folder).filter((name) => {
    try {
      const found = statSync(`${folder}/${name}`)
      return found.dev === dev && found.ino === ino
    } catch {
      return false
    }
  }).length
}
