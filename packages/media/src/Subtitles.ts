import type { MediaStream, SubtitleTrack } from "@joy/domain/MediaStream"
import type { StoredObject } from "@joy/domain/StoredObject"
import type { ObjectStore } from "@joy/storage/ObjectStore"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

import * as Ffmpeg from "./Ffmpeg.ts"
import type { RunLimits } from "./FfmpegArgs.ts"
import { languageName, languageTag } from "./Languages.ts"
import { type MediaError, MediaResourceExceeded, type StoreFailure, UnreadableMedia } from "./MediaError.ts"
import { readWhole } from "./ObjectBytes.ts"
import type { ProbeResult } from "./ProbeResult.ts"
import { sidecarName, type SidecarName, sidecarPrefix } from "./Sidecars.ts"
import { toVtt } from "./SubtitleFiles.ts"
import { formatVtt, parseCues } from "./WebVtt.ts"

/** A text track as players take it. */
export interface Subtitle extends SubtitleTrack {
  readonly vtt: string
}

/** A subtitle file that lies beside an object. */
export interface Sidecar extends SidecarName {
  readonly object: StoredObject
}

/** Text tracks of films as WebVTT. Tracks of pictures (PGS, VobSub, DVB) are none. */
export class Subtitles extends Context.Service<
  Subtitles,
  {
    /** The text tracks in the object, all in one pass over it. */
    readonly embedded: (
      store: ObjectStore,
      object: StoredObject,
      probe: ProbeResult
    ) => Effect.Effect<ReadonlyArray<Subtitle>, MediaError>
    /** The subtitle files beside the object, by their names. */
    readonly sidecars: (store: ObjectStore, object: StoredObject) => Effect.Effect<ReadonlyArray<Sidecar>, StoreFailure>
    readonly ofSidecar: (
      store: ObjectStore,
      sidecar: Sidecar
    ) => Effect.Effect<Subtitle, StoreFailure | MediaResourceExceeded | UnreadableMedia>
  }
>()("@joy/media/Subtitles") {}

const step = "subtitles"

/** FFmpeg's names of what is text. */
const textCodecs = new Set(["subrip", "srt", "ass", "ssa", "mov_text", "webvtt", "text"])
/** No film has more; each is a pipe. */
const maxTracks = 100
/** Subtitles lie all over a film: it is read from its beginning to its end, and once. */
const limits: Partial<RunLimits> = { wallSeconds: 3600, cpuSeconds: 900, outputBytes: 64 * 2 ** 20 }
const slackBytes = 64 * 2 ** 20
/** A film's subtitles are a hundredth of this. */
const sidecarBytes = 10 * 2 ** 20
const maxSidecars = 100
const maxPages = 5

const labelOf = (track: Pick<Subtitle, "language" | "isForced" | "isForHearingImpaired">, title: string | null) => {
  const purposes = [...(track.isForced ? ["forced"] : []), ...(track.isForHearingImpaired ? ["SDH"] : [])]
  const name = title ?? (track.language === null ? "Unknown" : languageName(track.language))
  return title !== null || purposes.length === 0 ? name : `${name} (${purposes.join(", ")})`
}

const ofStream = (stream: MediaStream, vtt: string): Subtitle => {
  const track = {
    language: languageTag(stream.language),
    isForced: stream.isForced,
    isForHearingImpaired: stream.dispositions.includes("hearing_impaired")
  }
  return { ...track, label: labelOf(track, stream.title), isDefault: stream.isDefault, vtt }
}

const make = Effect.gen(function* () {
  const ffmpeg = yield* Ffmpeg.Ffmpeg

  const embedded = Effect.fn("Subtitles.embedded")(function* (
    store: ObjectStore,
    object: StoredObject,
    probe: ProbeResult
  ) {
    const tracks = probe.streams
      .filter(({ codec, type }) => type === "subtitle" && codec !== null && textCodecs.has(codec))
      .slice(0, maxTracks)
    const [first, ...others] = tracks.map(({ index }) => ({
      output: ["-map", `0:${index}`, "-c:s", "webvtt"],
      format: "webvtt"
    }))
    if (first === undefined) return []
    const files = yield* ffmpeg.runAll({
      step,
      input: { store, object },
      call: { tool: "ffmpeg", ...first, also: others },
      limits,
      budgetBytes: object.sizeBytes + slackBytes
    })
    return tracks.flatMap((stream, i) => {
      const vtt = formatVtt(parseCues(Buffer.from(files[i] ?? []).toString("utf8")))
      return vtt === null ? [] : [ofStream(stream, vtt)]
    })
  })

  const sidecars = Effect.fn("Subtitles.sidecars")(function* (store: ObjectStore, object: StoredObject) {
    const found: Array<Sidecar> = []
    let startAfter: string | undefined
    for (let page = 0; page < maxPages; page++) {
      const { nextStartAfter, objects } = yield* store.list({ prefix: sidecarPrefix(object.key), startAfter })
      for (const candidate of objects) {
        const name = sidecarName(object.key, candidate.key)
        if (name !== null && found.length < maxSidecars) found.push({ ...name, object: candidate })
      }
      if (nextStartAfter === null) break
      startAfter = nextStartAfter
    }
    return found
  })

  const ofSidecar = Effect.fn("Subtitles.ofSidecar")(function* (store: ObjectStore, sidecar: Sidecar) {
    const { isForHearingImpaired, isForced, language, object } = sidecar
    if (object.sizeBytes > sidecarBytes) return yield* new MediaResourceExceeded({ step, resource: "memory" })
    const vtt = toVtt(yield* readWhole(store, object, step))
    if (vtt === null) return yield* new UnreadableMedia({ step, reason: "holds no subtitles" })
    const track = { language, isForced, isForHearingImpaired }
    return { ...track, label: labelOf(track, null), isDefault: false, vtt }
  })

  return Subtitles.of({ embedded, sidecars, ofSidecar })
})

export const layerNoDeps: Layer.Layer<Subtitles, never, Ffmpeg.Ffmpeg> = Layer.effect(Subtitles, make)
