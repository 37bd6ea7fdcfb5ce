import * as CodecStrings from "./CodecStrings.ts"
import { box, fullBox } from "./mp4/Boxes.ts"
import type { SampleEntry } from "./mp4/SampleEntry.ts"
import { audioEntry, esds } from "./SampleEntries.ts"

/** Sample entries of sound, out of the configuration that other containers keep of a codec. */

export interface SoundFacts {
  readonly channels: number
  readonly sampleRate: number
  readonly bits?: number
}

export const soundEntry = (
  codec: string,
  entry: string,
  codecString: string,
  facts: SoundFacts,
  ...config: ReadonlyArray<Uint8Array>
): SampleEntry => ({
  codec,
  codecString,
  bytes: audioEntry(entry, facts, ...config),
  channels: facts.channels,
  sampleRate: facts.sampleRate
})

/** Only ever sent as packed audio, which has no entry; this one says what it is. */
export const mp3Entry = (facts: SoundFacts): SampleEntry => soundEntry("mp3", ".mp3", "mp4a.40.34", facts)

/** Of an AudioSpecificConfig; `declared` is what holds where that doesn't say it. */
export const aacEntry = (config: Uint8Array, declared: SoundFacts): SampleEntry => {
  const { channels, codecString, sampleRate } = CodecStrings.ofAac(config)
  const facts = { channels: channels ?? declared.channels, sampleRate: sampleRate ?? declared.sampleRate }
  return soundEntry("aac", "mp4a", codecString, facts, esds(0x40, config))
}

/** `OpusHead` (RFC 7845, 5.1) as `dOps`, whose numbers have their bytes the other way round, and no version but 0. */
export const opusEntry = (opusHead: Uint8Array): SampleEntry | null => {
  if (opusHead.length < 19) return null
  const head = new DataView(opusHead.buffer, opusHead.byteOffset, opusHead.length)
  const channels = head.getUint8(9)
  const family = head.getUint8(18)
  const mapping = family === 0 ? new Uint8Array() : opusHead.subarray(19, 21 + channels)
  if (channels === 0 || (family !== 0 && mapping.length < 2 + channels)) return null
  const record = new Uint8Array(11)
  const fields = new DataView(record.buffer)
  fields.setUint8(1, channels)
  fields.setUint16(2, head.getUint16(10, true))
  fields.setUint32(4, head.getUint32(12, true))
  fields.setInt16(8, head.getInt16(16, true))
  fields.setUint8(10, family)
  return soundEntry("opus", "Opus", "Opus", { channels, sampleRate: 48_000 }, box("dOps", record, mapping))
}

/** Bytes of STREAMINFO with its head, the first metadata block of FLAC (RFC 9639, 8.2). */
export const streamInfoBytes = 38

/** Of that block; `null` for another. */
export const flacEntry = (block: Uint8Array): SampleEntry | null => {
  if (block.length !== streamInfoBytes || ((block[0] ?? 0) & 0x7f) !== 0) return null
  const { bits, channels, codecString, sampleRate } = CodecStrings.ofFlac(block.subarray(4))
  const last = Uint8Array.from(block)
  // Of the blocks it is the only one that is kept.
  last[0] = 0x80
  const facts = { channels: channels ?? 2, sampleRate: sampleRate ?? 0, bits }
  return soundEntry("flac", "fLaC", codecString, facts, fullBox("dfLa", 0, 0, last))
}
