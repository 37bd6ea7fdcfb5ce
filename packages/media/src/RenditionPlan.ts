import type { MediaStream } from "@joy/domain/MediaStream"
import * as Playability from "@joy/domain/Playability"

import type { RunLimits } from "./FfmpegArgs.ts"
import type { ProbeResult } from "./ProbeResult.ts"

/** How a rendition is made of an object: pure, so that a test can hold the arguments against what browsers play. */
export interface RenditionPlan {
  readonly output: ReadonlyArray<string>
  readonly limits: RunLimits
  /** Whether the pictures stay as they are coded. */
  readonly copiesVideo: boolean
}

const words = (text: string) => text.split(" ")

/** Full HD, however the picture is turned; what is smaller stays as it is. H.264 with 4:2:0 has even sizes. */
const scale =
  "scale=w='min(iw,if(gte(iw,ih),1920,1080))':h='min(ih,if(gte(iw,ih),1080,1920))'" +
  ":force_original_aspect_ratio=decrease:force_divisible_by=2"

const encodedVideo = ({ interlacing }: MediaStream): ReadonlyArray<string> => [
  "-vf",
  [
    ...(interlacing === null || interlacing === "progressive" ? [] : ["yadif=deint=interlaced"]),
    scale,
    "format=yuv420p"
  ].join(","),
  ...words("-c:v libx264 -preset veryfast -profile:v high -crf 22 -maxrate 8M -bufsize 16M"),
  // Segments are cut at keyframes.
  "-force_key_frames",
  "expr:gte(t,n_forced*2)"
]

const videoOptions = (stream: MediaStream, copies: boolean): ReadonlyArray<string> => [
  "-map",
  `0:${stream.index}`,
  ...(copies ? ["-c:v", "copy"] : encodedVideo(stream)),
  // The name that Apple's players want.
  ...(copies && stream.codec === "hevc" ? ["-tag:v", "hvc1"] : [])
]

const audioOptions = (stream: MediaStream, copies: boolean): ReadonlyArray<string> => [
  "-map",
  `0:${stream.index}`,
  ...(copies ? words("-c:a copy") : words("-c:a aac -b:a 160k -ac 2 -ar 48000"))
]

const mebibyte = 2 ** 20
const day = 24 * 60 * 60

/** A machine that is ten times slower than the film is long is not waited for, nor one that writes more than its rate. */
const limitsOf = ({ durationSeconds }: ProbeResult, sizeBytes: number, threads: number): RunLimits => {
  const seconds = Math.min(day, 600 + 10 * (durationSeconds ?? day))
  return {
    wallSeconds: seconds,
    cpuSeconds: Math.ceil(seconds * threads),
    memoryBytes: 3 * 2 ** 30,
    outputBytes: Math.ceil(sizeBytes + 256 * mebibyte + 2 * mebibyte * Math.min(day, durationSeconds ?? day)),
    threads
  }
}

/** `null` for what has neither pictures that move nor sound. `mayCopy`: streams that browsers play stay as they are. */
export const planOf = (
  probe: ProbeResult,
  { mayCopy, sizeBytes, threads }: { readonly mayCopy: boolean; readonly sizeBytes: number; readonly threads: number }
): RenditionPlan | null => {
  if (!Playability.canBeMadePlayable(probe)) return null
  const video = Playability.first(probe.streams, "video")
  const audio = Playability.first(probe.streams, "audio")
  // The clock of AVI knows no frames that are shown in another order than they are stored in.
  const copies = (stream: MediaStream) => mayCopy && probe.container !== "avi" && Playability.isPlayedFromMp4(stream)
  return {
    output: [
      ...(video === undefined ? ["-vn"] : videoOptions(video, copies(video))),
      ...(audio === undefined ? ["-an"] : audioOptions(audio, copies(audio))),
      ...words("-sn -dn -map_metadata -1 -map_chapters -1 -max_muxing_queue_size 4096 -movflags +faststart")
    ],
    limits: limitsOf(probe, sizeBytes, threads),
    copiesVideo: video !== undefined && copies(video)
  }
}
