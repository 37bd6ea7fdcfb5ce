import * as fs from "node:fs"

/** Only Linux tells about processes in files. */
export const hasProc = fs.existsSync("/proc/self/cmdline")

/** The command lines on this machine that have `marker` in them. */
export const processesWith = (marker: string): ReadonlyArray<string> =>
  fs
    .readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        const line = fs.readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ")
        return line.includes(marker) ? [line] : []
      } catch {
        return []
      }
    })
