import * as CodecStrings from "../CodecStrings.ts"
import { box, fullBox, uint16s, uint32s } from "../mp4/Boxes.ts"
import type { SampleEntry } from "../mp4/SampleEntry.ts"
import { visualEntry } from "../SampleEntries.ts"
import { aacEntry, flacEntry, mp3Entry, opusEntry, soundEntry, streamInfoBytes } from "../SoundEntries.ts"
import { ac3Record, eac3Record } from "./Ac3.ts"
import type { TrackEntry } from "./Tracks.ts"
import { vp9Record, vpcC } from "./Vp9.ts"

/** Sample entries out of what Matroska keeps of a codec (RFC 9559, codec mappings), and where that is nothing, of its first frame. */

const limited = (value: number, scale: number, most: number) => Math.max(0, Math.min(most, Math.round(value * scale)))

/** `mdcv` and `clli` (ISO 14496-12, 12.1.6), whose primaries begin with green, and the box of Dolby Vision. */
const screenOf = ({ dolbyVision, light, mastering }: TrackEntry): ReadonlyArray<Uint8Array> => {
  const boxes: Array<Uint8Array> = []
  if (mastering !== null) {
    const value = (at: number) => mastering[at] ?? 0
    const points = [2, 3, 4, 5, 0, 1, 6, 7].map((at) => limited(value(at), 50_000, 0xffff))
    const range = [8, 9].map((at) => limited(value(at), 10_000, 0xffff_ffff))
    boxes.push(box("mdcv", uint16s(...points), uint32s(...range)))
  }
  if (light !== null) boxes.push(box("clli", uint16s(...light)))
  if (dolbyVision !== null) boxes.push(box(dolbyVision.type, dolbyVision.record))
  return boxes
}

const picture = (
  track: TrackEntry,
  codec: string,
  entry: string,
  codecString: string,
  config: Uint8Array
): SampleEntry => {
  const { aspect, color } = track
  const boxes = [config]
  if (aspect[0] !== aspect[1]) {
    // Both fit in 32 bits once what divides them is gone.
    const scale = Math.max(1, Math.ceil(Math.max(...aspect) / 0xffff_ffff)) * greatestDivisor(...aspect)
    boxes.push(box("pasp", uint32s(...aspect.map((side) => Math.max(1, Math.round(side / scale))))))
  }
  if (color !== null) {
    const codes = uint16s(color.primaries, color.transfer, color.matrix)
    boxes.push(box("colr", new TextEncoder().encode("nclx"), codes, Uint8Array.of(color.isFull ? 0x80 : 0)))
  }
  boxes.push(...screenOf(track))
  return { codec, codecString, bytes: visualEntry(entry, track, ...boxes), channels: null, sampleRate: null }
}

/** Dolby Vision that nothing else can show has an entry of its own: of profile 5, whose colours are its own. */
const hevc = (track: TrackEntry): SampleEntry => {
  const config = box("hvcC", track.codecPrivate)
  const { record } = track.dolbyVision ?? {}
  return record !== undefined && (record[2] ?? 0) >> 1 === 5
    ? picture(track, "hevc", "dvh1", CodecStrings.ofDolbyVision(record, "dvh1"), config)
    : picture(track, "hevc", "hvc1", CodecStrings.ofHevc(track.codecPrivate), config)
}

const greatestDivisor = (a: number, b: number): number => (b === 0 ? a : greatestDivisor(b, a % b))

const rates = [96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350]

/** Files of old have no configuration of AAC, but a name that says most of it: `A_AAC/MPEG4/LC/SBR`. */
const namedAac = ({ channels, codecId, sampleRate }: TrackEntry): Uint8Array | null => {
  const profile = ["MAIN", "LC", "SSR", "LTP"].findIndex((name) => codecId.split("/")[2] === name)
  // The rate of what is shown is twice what is coded.
  const rate = rates.indexOf(codecId.endsWith("/SBR") ? sampleRate / 2 : sampleRate)
  const count = channels === 8 ? 7 : channels
  return profile < 0 || rate < 0 || count > 7
    ? null
    : Uint8Array.of(((profile + 1) << 3) | (rate >> 1), ((rate & 1) << 7) | (count << 3))
}

const aac = (track: TrackEntry): SampleEntry | null => {
  const config = track.codecPrivate.length >= 2 ? track.codecPrivate : namedAac(track)
  return config === null ? null : aacEntry(config, track)
}

/** The mark of a FLAC file may stand before its metadata, or not. */
const flac = ({ codecPrivate }: TrackEntry): SampleEntry | null => {
  const start = codecPrivate[0] === 0x66 ? 4 : 0
  return flacEntry(codecPrivate.subarray(start, start + streamInfoBytes))
}

/** The entry of a track whose first frame begins with `frame`; `null` for a codec that no segment takes. */
export const readSampleEntry = (track: TrackEntry, frame: Uint8Array): SampleEntry | null => {
  const config = track.codecPrivate
  switch (track.codecId) {
    case "V_MPEG4/ISO/AVC":
      return config.length < 7 || config[0] !== 1
        ? null
        : picture(track, "h264", "avc1", CodecStrings.ofAvc(config), box("avcC", config))
    case "V_MPEGH/ISO/HEVC":
      return config.length < 23 ? null : hevc(track)
    case "V_AV1":
      return config.length < 4 ? null : picture(track, "av1", "av01", CodecStrings.ofAv1(config), box("av1C", config))
    case "V_VP8":
      return picture(track, "vp8", "vp08", "vp08.00.10.08", vpcC(Uint8Array.of(0, 10, 0x82, 2, 2, 2, 0, 0)))
    case "V_VP9": {
      const record = vp9Record(track, frame)
      return picture(track, "vp9", "vp09", CodecStrings.ofVp9(record), vpcC(record))
    }
    case "A_OPUS":
      return opusEntry(config)
    case "A_FLAC":
      return flac(track)
    case "A_MPEG/L3":
      return mp3Entry(track)
    case "A_ALAC":
      return config.length < 24 ? null : soundEntry("alac", "alac", "alac", track, fullBox("alac", 0, 0, config))
    case "A_AC3": {
      const record = ac3Record(frame)
      return record === null ? null : soundEntry("ac3", "ac-3", "ac-3", track, box("dac3", record))
    }
    case "A_EAC3": {
      const record = eac3Record(frame)
      return record === null ? null : soundEntry("eac3", "ec-3", "ec-3", track, box("dec3", record))
    }
    default:
      return track.codecId === "A_AAC" || track.codecId.startsWith("A_AAC/") ? aac(track) : null
  }
}
