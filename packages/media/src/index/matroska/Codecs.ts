import * as CodecStrings from "../CodecStrings.ts"
import { box, fullBox, uint16s, uint32s } from "../mp4/Boxes.ts"
import type { SampleEntry } from "../mp4/SampleEntry.ts"
import { audioEntry, esds, visualEntry } from "../SampleEntries.ts"
import { ac3Record, eac3Record } from "./Ac3.ts"
import type { TrackEntry } from "./Tracks.ts"
import { vp9Record, vpcC } from "./Vp9.ts"

/** Sample entries out of what Matroska keeps of a codec (RFC 9559, codec mappings), and where that is nothing, of its first frame. */

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
  return { codec, codecString, bytes: visualEntry(entry, track, ...boxes), channels: null, sampleRate: null }
}

const greatestDivisor = (a: number, b: number): number => (b === 0 ? a : greatestDivisor(b, a % b))

const sound = (
  codec: string,
  entry: string,
  codecString: string,
  facts: { readonly channels: number; readonly sampleRate: number; readonly bits?: number },
  ...config: ReadonlyArray<Uint8Array>
): SampleEntry => ({
  codec,
  codecString,
  bytes: audioEntry(entry, facts, ...config),
  channels: facts.channels,
  sampleRate: facts.sampleRate
})

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
  if (config === null) return null
  const facts = CodecStrings.ofAac(config)
  const known = { channels: facts.channels ?? track.channels, sampleRate: facts.sampleRate ?? track.sampleRate }
  return sound("aac", "mp4a", facts.codecString, known, esds(0x40, config))
}

/** `OpusHead` (RFC 7845, 5.1) as `dOps`, whose numbers have their bytes the other way round, and no version but 0. */
const opus = ({ codecPrivate }: TrackEntry): SampleEntry | null => {
  if (codecPrivate.length < 19) return null
  const head = new DataView(codecPrivate.buffer, codecPrivate.byteOffset, codecPrivate.length)
  const channels = head.getUint8(9)
  const family = head.getUint8(18)
  const mapping = family === 0 ? new Uint8Array() : codecPrivate.subarray(19, 21 + channels)
  if (channels === 0 || (family !== 0 && mapping.length < 2 + channels)) return null
  const record = new Uint8Array(11)
  const fields = new DataView(record.buffer)
  fields.setUint8(1, channels)
  fields.setUint16(2, head.getUint16(10, true))
  fields.setUint32(4, head.getUint32(12, true))
  fields.setInt16(8, head.getInt16(16, true))
  fields.setUint8(10, family)
  return sound("opus", "Opus", "Opus", { channels, sampleRate: 48_000 }, box("dOps", record, mapping))
}

/** The first metadata block of a FLAC stream, with its head: `STREAMINFO` (RFC 9639, 8.2). */
const streamInfoBytes = 38

const flac = ({ codecPrivate }: TrackEntry): SampleEntry | null => {
  const isMarked = codecPrivate[0] === 0x66 && codecPrivate[1] === 0x4c
  const block = codecPrivate.slice(isMarked ? 4 : 0, (isMarked ? 4 : 0) + streamInfoBytes)
  if (block.length < streamInfoBytes || ((block[0] ?? 0) & 0x7f) !== 0) return null
  return flacEntry(block)
}

/** Of the block with its head. */
export const flacEntry = (block: Uint8Array): SampleEntry => {
  const { bits, channels, codecString, sampleRate } = CodecStrings.ofFlac(block.subarray(4))
  const last = Uint8Array.from(block)
  // Of the blocks it is the only one that is kept.
  last[0] = 0x80
  const facts = { channels: channels ?? 2, sampleRate: sampleRate ?? 0, bits }
  return sound("flac", "fLaC", codecString, facts, fullBox("dfLa", 0, 0, last))
}

/** What else is needed to make the entry is in the first frame: whether it was at hand shows here. */
export const needsFrame = ({ codecId, codecPrivate }: TrackEntry): boolean =>
  codecId === "A_AC3" || codecId === "A_EAC3" || (codecId === "V_VP9" && codecPrivate.length === 0)

/** The entry of a track whose first frame begins with `frame`; `null` for a codec that no segment takes. */
export const readSampleEntry = (track: TrackEntry, frame: Uint8Array): SampleEntry | null => {
  const config = track.codecPrivate
  switch (track.codecId) {
    case "V_MPEG4/ISO/AVC":
      return config.length < 7 || config[0] !== 1
        ? null
        : picture(track, "h264", "avc1", CodecStrings.ofAvc(config), box("avcC", config))
    case "V_MPEGH/ISO/HEVC":
      return config.length < 23
        ? null
        : picture(track, "hevc", "hvc1", CodecStrings.ofHevc(config), box("hvcC", config))
    case "V_AV1":
      return config.length < 4 ? null : picture(track, "av1", "av01", CodecStrings.ofAv1(config), box("av1C", config))
    case "V_VP8":
      return picture(track, "vp8", "vp08", "vp08.00.10.08", vpcC(Uint8Array.of(0, 10, 0x82, 2, 2, 2, 0, 0)))
    case "V_VP9": {
      const record = vp9Record(track, frame)
      return picture(track, "vp9", "vp09", CodecStrings.ofVp9(record), vpcC(record))
    }
    case "A_OPUS":
      return opus(track)
    case "A_FLAC":
      return flac(track)
    case "A_MPEG/L3":
      return sound("mp3", ".mp3", "mp4a.40.34", track)
    case "A_ALAC":
      return config.length < 24 ? null : sound("alac", "alac", "alac", track, fullBox("alac", 0, 0, config))
    case "A_AC3": {
      const record = ac3Record(frame)
      return record === null ? null : sound("ac3", "ac-3", "ac-3", track, box("dac3", record))
    }
    case "A_EAC3": {
      const record = eac3Record(frame)
      return record === null ? null : sound("eac3", "ec-3", "ec-3", track, box("dec3", record))
    }
    default:
      return track.codecId === "A_AAC" || track.codecId.startsWith("A_AAC/") ? aac(track) : null
  }
}
