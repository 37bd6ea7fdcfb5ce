/**
 * The arguments of every ffmpeg and ffprobe call over an object. Pure, so that a test can hold each of them against the
 * rules: one loopback URL as the only input, the result on standard output, no other protocol, no format that names
 * other files.
 */

/** What one run may take. Times in seconds, sizes in bytes. */
export interface RunLimits {
  /** By the clock. A run that sends a stream to somebody is as slow as its reader: give it more, or `Infinity`. */
  readonly wallSeconds: number
  readonly cpuSeconds: number
  /** Address space, which is more than what is resident; needs `prlimit`. */
  readonly memoryBytes: number
  readonly outputBytes: number
  readonly threads: number
}

export const probeLimits: RunLimits = {
  wallSeconds: 30,
  cpuSeconds: 15,
  memoryBytes: 2 ** 30,
  outputBytes: 16 * 2 ** 20,
  threads: 1
}

export const transformLimits: RunLimits = {
  wallSeconds: 60,
  cpuSeconds: 60,
  memoryBytes: 3 * 2 ** 30,
  outputBytes: 256 * 2 ** 20,
  threads: 2
}

/**
 * The containers that people have, and no demuxer that opens other files or addresses by what a file says (hls, dash,
 * concat, sdp, image2, lavfi, subfile...). FFmpeg picks a demuxer by content whatever the name, so this list is what keeps
 * a playlist named `.mp4` from being followed; the protocol list alone did not (measured with 5.1.9).
 */
export const containers: ReadonlyArray<string> = [
  "mov",
  "matroska",
  "avi",
  "mpegts",
  "mpeg",
  "asf",
  "flv",
  "mp3",
  "flac",
  "ogg",
  "wav",
  "w64",
  "aac",
  "aiff",
  "caf",
  "ac3",
  "eac3",
  "amr",
  "ape",
  "wv",
  "mxf",
  "dv"
]

/** The most streams an object may have. FFmpeg's own default; said so that it doesn't change under us. */
export const maxStreams = 1_000

/** Prints what the object is, as JSON. */
export interface ProbeCall {
  readonly tool: "ffprobe"
  /** What to print, for example `-show_streams`. */
  readonly show: ReadonlyArray<string>
}

/** One thing that is made of the object. */
export interface Output {
  /** Options behind the input, for example `-map 0:v:0 -frames:v 1`. */
  readonly output: ReadonlyArray<string>
  /** The muxer (`-f`), for example `image2pipe`. */
  readonly format: string
}

/** Makes something of the object, to standard output. */
export interface TransformCall extends Output {
  readonly tool: "ffmpeg"
  /** Where to begin, in seconds: goes to the keyframe before it without reading what is between. */
  readonly seekSeconds?: number | undefined
  /** Options before the input, for example `-noaccurate_seek`. */
  readonly input?: ReadonlyArray<string> | undefined
  /** What is made in the same pass, each to a pipe of its own. */
  readonly also?: ReadonlyArray<Output> | undefined
}

export type MediaCall = ProbeCall | TransformCall

const inputOptions = (threads: number): ReadonlyArray<string> => [
  "-protocol_whitelist",
  "http,tcp",
  "-format_whitelist",
  containers.join(","),
  "-max_streams",
  String(maxStreams),
  "-threads",
  String(threads)
]

const outputOptions = ({ format, output }: Output, pipe: number, threads: number): ReadonlyArray<string> => [
  ...output,
  "-threads",
  String(threads),
  "-protocol_whitelist",
  "pipe",
  "-f",
  format,
  `pipe:${pipe}`
]

/** The pipes that a call writes to, by their numbers. */
export const pipesOf = (call: MediaCall): ReadonlyArray<number> =>
  call.tool === "ffprobe" ? [1] : [1, ...(call.also ?? []).map((_, i) => 3 + i)]

/** The arguments for `call` on the object behind `url`. */
export const mediaArgs = (call: MediaCall, url: string, limits: RunLimits): ReadonlyArray<string> =>
  call.tool === "ffprobe"
    ? // ffprobe knows no -nostdin: it never reads its input, which is closed anyway.
      ["-hide_banner", "-loglevel", "error", ...inputOptions(limits.threads), "-of", "json", ...call.show, "-i", url]
    : [
        "-nostdin",
        "-hide_banner",
        "-loglevel",
        "error",
        "-filter_threads",
        String(limits.threads),
        ...inputOptions(limits.threads),
        ...(call.seekSeconds === undefined ? [] : ["-ss", call.seekSeconds.toFixed(3)]),
        ...(call.input ?? []),
        "-i",
        url,
        ...[call, ...(call.also ?? [])].flatMap((output, i) =>
          outputOptions(output, pipesOf(call)[i] ?? 1, limits.threads)
        )
      ]

/** Makes a file of the object, which is too large for a pipe or has to be written out of order. */
export interface EncodeCall extends Output {
  /** Options before the input, for example `-fflags +genpts`. */
  readonly input?: ReadonlyArray<string> | undefined
  /** A file of ours, which is there already. */
  readonly path: string
}

/** The arguments for `call` on the object behind `url`. How far it is goes to standard output. */
export const encodeArgs = (call: EncodeCall, url: string, limits: RunLimits): ReadonlyArray<string> => [
  ..."-nostdin -hide_banner -loglevel error -y -progress pipe:1 -stats_period 2 -filter_threads".split(" "),
  String(limits.threads),
  ...inputOptions(limits.threads),
  ...(call.input ?? []),
  "-i",
  url,
  ...call.output,
  "-threads",
  String(limits.threads),
  "-protocol_whitelist",
  "file,pipe",
  "-f",
  call.format,
  `file:${call.path}`
]

/** A picture or a sound out of nothing (`lavfi`), of a description that we wrote ourselves, into a file of ours. */
export interface GenerateCall {
  /** Graphs of lavfi, for example `testsrc2=size=1280x720:rate=25`. */
  readonly sources: ReadonlyArray<string>
  readonly output: ReadonlyArray<string>
  /** The muxer (`-f`). */
  readonly format: string
  readonly path: string
}

export const generateArgs = (call: GenerateCall): ReadonlyArray<string> => [
  "-nostdin",
  "-hide_banner",
  "-loglevel",
  "error",
  "-y",
  ...call.sources.flatMap((source) => ["-protocol_whitelist", "pipe", "-f", "lavfi", "-i", source]),
  ...call.output,
  "-protocol_whitelist",
  "file,pipe",
  "-f",
  call.format,
  `file:${call.path}`
]

/** The user that media is read as when we are root: no account has it, and it is not the one that Postgres runs as. */
export const mediaUser = 65533

/** Where the helpers that lower privileges are, as far as they work on this machine. */
export interface Isolation {
  /** `setpriv` of util-linux: another user, no capabilities, and death with its parent. Only as root. */
  readonly setpriv: string | null
  /** `prlimit` of util-linux: limits of memory, CPU time, open files and of what is written. */
  readonly prlimit: string | null
}

/** A pipe for each text track of a film, and what the tool opens itself. */
const openFiles = 160

/**
 * What is put in front of a tool's path: a command that limits itself and then becomes the tool (same process id).
 * `fileBytes` is how long a file may become that it writes.
 */
export const isolationPrefix = (
  isolation: Isolation,
  limits: RunLimits,
  { fileBytes = 0 }: { readonly fileBytes?: number } = {}
): ReadonlyArray<string> => [
  ...(isolation.setpriv === null
    ? []
    : [
        isolation.setpriv,
        `--reuid=${mediaUser}`,
        `--regid=${mediaUser}`,
        "--clear-groups",
        "--bounding-set=-all",
        "--no-new-privs",
        "--pdeathsig=KILL",
        "--"
      ]),
  ...(isolation.prlimit === null
    ? []
    : [
        isolation.prlimit,
        `--as=${limits.memoryBytes}`,
        // First SIGXCPU, which ffmpeg takes as "stop", then SIGKILL.
        `--cpu=${limits.cpuSeconds}:${limits.cpuSeconds + 2}`,
        `--fsize=${fileBytes}`,
        `--nofile=${openFiles}`,
        "--core=0",
        "--"
      ])
]
