import { execFile } from "node:child_process"

import * as Effect from "effect/Effect"

import { ffprobe } from "./Executables.ts"

/** A packet as ffprobe tells of it. */
export interface Packet {
  readonly stream: number
  readonly kind: "video" | "audio"
  /** Seconds. */
  readonly pts: number
  readonly dts: number
  readonly size: number
  /** Where it begins in the file; `null` where the demuxer doesn't know. */
  readonly position: number | null
  readonly isKey: boolean
  /** Of its data, as the demuxer gives them. */
  readonly hash: string
}

/** All that ffprobe says on its standard error, and its answer. */
const run = (args: ReadonlyArray<string>): Effect.Effect<{ readonly answer: string; readonly said: string }> =>
  Effect.callback((resume) => {
    const child = execFile(
      ffprobe() ?? "ffprobe",
      ["-v", "warning", ...args],
      { maxBuffer: 256 * 2 ** 20 },
      (error, answer, said) => {
        resume(error === null ? Effect.succeed({ answer, said }) : Effect.die(new Error(said, { cause: error })))
      }
    )
    return Effect.sync(() => child.kill("SIGKILL"))
  })

// What hangs on a packet may have lines of its own before the hash.
const packet =
  /codec_type=(video|audio)\|stream_index=(\d+)\|pts_time=([^|]*)\|dts_time=([^|]*)\|size=(\d+)\|(?:pos=([^|]*)\|)?flags=(\w)[^]*?data_hash=MD5:(\w+)/g

const parse = (answer: string): ReadonlyArray<Packet> =>
  [...answer.matchAll(packet)].map(([, kind, stream, pts, dts, size, position = "N/A", flag, hash = ""]) => ({
    stream: Number(stream),
    kind: kind === "video" ? "video" : "audio",
    pts: Number(pts),
    dts: Number(dts),
    size: Number(size),
    position: position === "N/A" ? null : Number(position),
    isKey: flag === "K",
    hash
  }))

/** The packets of a file or playlist, in the order in which they come. */
export const packetsOf = Effect.fnUntraced(function* (path: string, ...options: ReadonlyArray<string>) {
  const entries = "packet=stream_index,codec_type,pts_time,dts_time,size,pos,flags,data_hash"
  const { answer, said } = yield* run([
    ...options,
    ..."-show_packets -show_data_hash md5 -of compact=p=0 -show_entries".split(" "),
    entries,
    path
  ])
  return { packets: parse(answer), said }
})
