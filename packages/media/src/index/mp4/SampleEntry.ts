import * as CodecStrings from "../CodecStrings.ts"
import { audioEntry } from "../SampleEntries.ts"
import { box, boxesIn, childrenOf, type Box } from "./Boxes.ts"

/** A sample entry in the form that segments have, and what it says. */
export interface SampleEntry {
  readonly codec: string
  readonly codecString: string
  readonly bytes: Uint8Array
  readonly channels: number | null
  readonly sampleRate: number | null
}

const bytesOf = (view: DataView, start: number, end: number): Uint8Array =>
  new Uint8Array(view.buffer, view.byteOffset + start, Math.max(0, Math.min(end, view.byteLength) - start))

const whole = (view: DataView, { end, start }: Box) => bytesOf(view, start, end)
const body = (view: DataView, { body, end }: Box) => bytesOf(view, body, end)

/** What players know of a visual entry besides the codec's own record. QuickTime has more, and some that they stumble over. */
const keptOfVideo = new Set(["pasp", "clap", "btrt", "dvcC", "dvvC", "dvwC", "mdcv", "clli", "SmDm", "CoLL"])
const visualBytes = 78

/** `colr`: QuickTime's is the same without the range. Profiles of colours are left out. */
const color = (view: DataView, child: Box): ReadonlyArray<Uint8Array> => {
  const record = body(view, child)
  const kind = String.fromCharCode(...record.subarray(0, 4))
  if (kind === "nclx") return [whole(view, child)]
  return kind === "nclc" && record.length >= 10
    ? [box("colr", new TextEncoder().encode("nclx"), record.subarray(4, 10), Uint8Array.of(0))]
    : []
}

const readVideo = (view: DataView, entry: Box): SampleEntry | null => {
  if (entry.body + visualBytes > entry.end) return null
  const children = boxesIn(view, entry.body + visualBytes, entry.end)
  const record = (type: string) => children.find((child) => child.type === type)
  const [avc, hevc, vp9, av1] = [record("avcC"), record("hvcC"), record("vpcC"), record("av1C")]
  const dolby = record("dvcC") ?? record("dvvC")
  const made = (codec: string, type: string, codecString: string, config: Box): SampleEntry => {
    const fixed = bytesOf(view, entry.body, entry.body + visualBytes).slice()
    const fields = new DataView(fixed.buffer)
    // QuickTime has a vendor, qualities and a table of colours where ISO 14496-12 has nothing.
    fixed.fill(0, 8, 24)
    fields.setUint16(6, 1)
    fields.setInt16(76, -1)
    const others = children.flatMap((child) =>
      child.type === "colr" ? color(view, child) : keptOfVideo.has(child.type) ? [whole(view, child)] : []
    )
    const bytes = box(type, fixed, whole(view, config), ...others)
    return { codec, codecString, bytes, channels: null, sampleRate: null }
  }
  switch (entry.type) {
    case "avc1":
    case "avc3":
      return avc === undefined ? null : made("h264", entry.type, CodecStrings.ofAvc(body(view, avc), entry.type), avc)
    case "hvc1":
    case "hev1": {
      if (hevc === undefined) return null
      const config = body(view, hevc)
      // Safari takes `hvc1` alone, which says that the parameter sets are in the record: mostly they are with either.
      const type = (config[22] ?? 0) > 0 ? "hvc1" : entry.type
      return made("hevc", type, CodecStrings.ofHevc(config, type), hevc)
    }
    case "dvh1":
    case "dvhe":
      return hevc === undefined || dolby === undefined
        ? null
        : made("hevc", "dvh1", CodecStrings.ofDolbyVision(body(view, dolby), "dvh1"), hevc)
    case "vp09":
      return vp9 === undefined ? null : made("vp9", "vp09", CodecStrings.ofVp9(body(view, vp9).subarray(4)), vp9)
    case "av01":
      return av1 === undefined ? null : made("av1", "av01", CodecStrings.ofAv1(body(view, av1)), av1)
    default:
      return null
  }
}

/** A descriptor of ISO 14496-1 (8.3.3): its tag, and what it holds. */
const descriptor = (bytes: Uint8Array, at: number) => {
  let length = 0
  let position = at + 1
  for (let i = 0; i < 4; i++) {
    const byte = bytes[position++] ?? 0
    length = length * 128 + (byte & 127)
    if (byte < 128) break
  }
  return { tag: bytes[at] ?? 0, body: bytes.subarray(position, position + length) }
}

/** `esds`: the object type (ISO 14496-1, table 5) and the decoder's own configuration. */
const readEsds = (bytes: Uint8Array) => {
  const stream = descriptor(bytes, 4)
  const flags = stream.body[2] ?? 0
  // Depends on another stream, has a URL, has a clock of its own: none of it in files.
  const skipped = 3 + (flags & 0x80 ? 2 : 0) + (flags & 0x40 ? 1 + (stream.body[3] ?? 0) : 0) + (flags & 0x20 ? 2 : 0)
  const decoder = descriptor(stream.body, skipped)
  if (stream.tag !== 3 || decoder.tag !== 4) return null
  const config = descriptor(decoder.body, 13)
  return { objectType: decoder.body[0] ?? 0, config: config.tag === 5 ? config.body : new Uint8Array() }
}

const readMp4a = (view: DataView, esds: Box, declared: Declared): SampleEntry | null => {
  const read = readEsds(body(view, esds))
  if (read === null) return null
  const made = (codec: string, codecString: string, facts: Declared): SampleEntry => ({
    codec,
    codecString,
    ...facts,
    bytes: audioEntry("mp4a", facts, whole(view, esds))
  })
  switch (read.objectType) {
    case 0x40:
    case 0x66:
    case 0x67:
    case 0x68: {
      const { codecString, ...facts } = CodecStrings.ofAac(read.config)
      return made("aac", codecString, {
        channels: facts.channels ?? declared.channels,
        sampleRate: facts.sampleRate ?? declared.sampleRate
      })
    }
    case 0x69:
    case 0x6b:
      return made("mp3", "mp4a.40.34", declared)
    case 0xa5:
      return made("ac3", "mp4a.a5", declared)
    case 0xa6:
      return made("eac3", "mp4a.a6", declared)
    default:
      return null
  }
}

interface Declared {
  readonly channels: number
  readonly sampleRate: number
}

const audioBytes = 28
/** What QuickTime puts between the fields of an entry and its boxes, by the version of the entry. */
const quickTimeBytes = [0, 16, 36]

const readAudio = (view: DataView, entry: Box, isQuickTime: boolean): SampleEntry | null => {
  if (entry.body + audioBytes > entry.end) return null
  const version = isQuickTime ? view.getUint16(entry.body + 8) : 0
  const direct = boxesIn(view, entry.body + audioBytes + (quickTimeBytes[version] ?? 0), entry.end)
  const wave = direct.find((child) => child.type === "wave")
  const children = wave === undefined ? direct : [...direct, ...childrenOf(view, wave)]
  const record = (type: string) => children.find((child) => child.type === type)
  const isSecond = version === 2 && entry.body + audioBytes + 36 <= entry.end
  const declared: Declared = isSecond
    ? { channels: view.getUint32(entry.body + 40), sampleRate: view.getFloat64(entry.body + 32) }
    : { channels: view.getUint16(entry.body + 16), sampleRate: view.getUint16(entry.body + 24) }
  const as = (codec: string, codecString: string, config: Box | undefined): SampleEntry | null =>
    config === undefined
      ? null
      : { codec, codecString, ...declared, bytes: audioEntry(entry.type, declared, whole(view, config)) }
  switch (entry.type) {
    case "mp4a": {
      const esds = record("esds")
      return esds === undefined ? null : readMp4a(view, esds, declared)
    }
    case ".mp3":
      // Only ever sent as packed audio, which has no entry; this one says what it is.
      return { codec: "mp3", codecString: "mp4a.40.34", ...declared, bytes: audioEntry(".mp3", declared) }
    case "Opus": {
      const config = record("dOps")
      const channels = config === undefined ? 2 : view.getUint8(config.body + 1)
      const facts = { channels, sampleRate: 48_000 }
      return config === undefined
        ? null
        : { codec: "opus", codecString: "Opus", ...facts, bytes: audioEntry("Opus", facts, whole(view, config)) }
    }
    case "fLaC": {
      const config = record("dfLa")
      if (config === undefined) return null
      const { codecString, ...facts } = CodecStrings.ofFlac(body(view, config).subarray(8))
      const { channels, sampleRate } = facts
      // The entry of some writers says 16 bits of all of it, which browsers hold against 24.
      return { codec: "flac", codecString, channels, sampleRate, bytes: audioEntry("fLaC", facts, whole(view, config)) }
    }
    case "ac-3":
      return as("ac3", "ac-3", record("dac3"))
    case "ec-3":
      return as("eac3", "ec-3", record("dec3"))
    case "alac":
      return as("alac", "alac", record("alac"))
    default:
      return null
  }
}

/** Reads an entry of an `stsd`; `null` for a codec that no segment takes. */
export const readSampleEntry = (
  view: DataView,
  entry: Box,
  kind: "video" | "audio",
  isQuickTime: boolean
): SampleEntry | null => (kind === "video" ? readVideo(view, entry) : readAudio(view, entry, isQuickTime))
