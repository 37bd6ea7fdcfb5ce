import { StoreUnavailable } from "@joy/storage/StoreError"

import { type BadMedia, MediaResourceExceeded, UnreadableMedia } from "./MediaError.ts"

/** How a tool ended, and the last it said. */
export interface ToolExit {
  readonly code: number | null
  readonly signal: string | null
  readonly stderr: string
}

/** FFmpeg's words for what a person can understand, most telling first. */
const known: ReadonlyArray<readonly [pattern: RegExp, reason: string]> = [
  [/moov atom not found/, "is cut short: its index (moov) is missing"],
  [/Number of streams exceeds max_streams/, "declares more than 1000 streams"],
  [
    /Invalid data found when processing input|not on whitelist|Error opening input/i,
    "is not a media container that can be read"
  ],
  [/Output file #?\d* ?does not contain any stream|Stream map .* matches no streams/, "holds no such stream"]
]

/** The last line that says something, without pointers, addresses and names of ours. */
const lastLine = (stderr: string): string =>
  (
    stderr
      .split("\n")
      .map((line) => line.trim())
      .findLast((line) => line.length > 0) ?? "no reason given"
  )
    .replaceAll(/\[[^\]]* @ 0x[0-9a-f]+\]\s*/g, "")
    .replaceAll(/\w+:\/\/\S+?(?=:\s|\s|$)/g, "the object")
    .replaceAll(/\p{Cc}/gu, " ")
    .slice(0, 300)

/** Why a tool failed on an object, given how it ended. A tool that was killed by a limit says so by its signal. */
export const diagnose = (step: string, exit: ToolExit): BadMedia => {
  // 24 is SIGXCPU where ffmpeg catches it. SIGKILL comes from nobody here but the CPU limit (or the kernel's, of memory).
  if (exit.signal === "SIGXCPU" || /received signal 24\b/.test(exit.stderr)) {
    return new MediaResourceExceeded({ step, resource: "cpu" })
  }
  if (exit.signal === "SIGKILL" || /Cannot allocate memory|ENOMEM/.test(exit.stderr)) {
    return new MediaResourceExceeded({ step, resource: "memory" })
  }
  if (exit.signal !== null) {
    return new UnreadableMedia({ step, reason: `makes the reader crash (${exit.signal})` })
  }
  const match = known.find(([pattern]) => pattern.test(exit.stderr))
  return new UnreadableMedia({ step, reason: match?.[1] ?? `can't be read: ${lastLine(exit.stderr)}` })
}

const refused = (reason: string, isFull: boolean) =>
  new StoreUnavailable({ operation: "write a temporary file", reason, retryable: false, isFull })

/** The same of a tool that makes a file, which the disk that it is on may not take. */
export const diagnoseFile = (step: string, exit: ToolExit): BadMedia | StoreUnavailable => {
  if (exit.signal === "SIGXFSZ" || /File too large/.test(exit.stderr)) {
    return new MediaResourceExceeded({ step, resource: "output" })
  }
  if (/No space left on device|Disk quota exceeded/.test(exit.stderr)) {
    return refused("the disk of temporary files is full: make room, or set TMPDIR to another one", true)
  }
  if (/file:\S+: (?:Permission denied|Read-only file system)/.test(exit.stderr)) {
    return refused("ffmpeg may not write to the folder of temporary files: set TMPDIR to another one", false)
  }
  return diagnose(step, exit)
}
