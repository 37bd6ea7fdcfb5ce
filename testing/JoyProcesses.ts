import { execFileSync } from "node:child_process"
import { existsSync, readdirSync, readFileSync, readlinkSync } from "node:fs"

/** A process of the machine. */
export interface Running {
  readonly pid: number
  readonly parent: number
  readonly command: string
  /** Where it works and what its environment says, where that may be known (Linux). */
  readonly marks: string
}

const orEmpty = (read: () => string): string => {
  try {
    return read()
  } catch {
    return ""
  }
}

/** `pid (name) state parent …`: the name may hold anything, its last bracket ends it. */
const ofProc = (pid: number): ReadonlyArray<Running> => {
  const stat = orEmpty(() => readFileSync(`/proc/${pid}/stat`, "utf8"))
  const [state, parent] = stat.slice(stat.lastIndexOf(")") + 2).split(" ")
  // One that has ended already and only waits for its parent to ask is none.
  if (state === undefined || parent === undefined || state === "Z") return []
  const read = (name: string) => orEmpty(() => readFileSync(`/proc/${pid}/${name}`, "utf8")).replaceAll("\0", " ")
  const cwd = orEmpty(() => readlinkSync(`/proc/${pid}/cwd`))
  return [{ pid, parent: Number(parent), command: read("cmdline"), marks: `${cwd}\n${read("environ")}` }]
}

const ofPs = (): ReadonlyArray<Running> =>
  execFileSync("ps", ["-axww", "-o", "pid=,ppid=,stat=,command="], { encoding: "utf8" })
    .split("\n")
    .flatMap((line) => {
      const [, pid, parent, state, command] = /^\s*(\d+)\s+(\d+)\s+(\S+)\s+(.*)$/.exec(line) ?? []
      if (state === undefined || state.startsWith("Z")) return []
      return [{ pid: Number(pid), parent: Number(parent), command: command ?? "", marks: "" }]
    })

/** Every process that lives. */
export const all = (): ReadonlyArray<Running> =>
  existsSync("/proc/self/stat")
    ? readdirSync("/proc")
        .filter((name) => /^\d+$/.test(name))
        .flatMap((name) => ofProc(Number(name)))
    : ofPs()

/** The process, its children, theirs, and so on. */
export const familyOf = (pid: number): ReadonlyArray<Running> => {
  const processes = all()
  const found = new Set([pid])
  let before = 0
  while (found.size > before) {
    before = found.size
    for (const process of processes) if (found.has(process.parent)) found.add(process.pid)
  }
  return processes.filter((process) => found.has(process.pid))
}

/** Processes that have to do with a folder: it stands in their command, their environment, or they work in it. */
export const about = (folder: string): ReadonlyArray<Running> =>
  all().filter(
    (running) => running.pid !== process.pid && (running.command.includes(folder) || running.marks.includes(folder))
  )

/** Those of them that live still: a number alone may be another's by now. */
export const stillAlive = (family: ReadonlyArray<Running>): ReadonlyArray<Running> => {
  const alive = new Map(all().map((running) => [running.pid, running.command]))
  return family.filter(({ command, pid }) => alive.get(pid) === command)
}
