/** RFC 6381 strings, from the codecs' own configuration records. What is read beyond the end of one counts as 0. */

const at = (record: Uint8Array, position: number): number => record[position] ?? 0
const hex = (byte: number): string => byte.toString(16).padStart(2, "0")
const digits = (value: number): string => String(value).padStart(2, "0")

/** AVCDecoderConfigurationRecord (ISO 14496-15, 5.3.3.1). `avc3` where parameter sets stand in the samples. */
export const ofAvc = (record: Uint8Array, entry: "avc1" | "avc3" = "avc1"): string =>
  `${entry}.${hex(at(record, 1))}${hex(at(record, 2))}${hex(at(record, 3))}`

/** HEVCDecoderConfigurationRecord (ISO 14496-15, 8.3.3.1), written as its annex E.3 says. */
export const ofHevc = (record: Uint8Array, entry = "hvc1"): string => {
  const general = at(record, 1)
  let compatibility = 0
  for (let bit = 0; bit < 32; bit++) {
    if ((at(record, 2 + (bit >> 3)) >> (7 - (bit & 7))) & 1) compatibility += 2 ** bit
  }
  const constraints = [...record.subarray(6, 12)]
  while (constraints.at(-1) === 0) constraints.pop()
  return [
    entry,
    `${["", "A", "B", "C"][general >> 6]}${general & 31}`,
    compatibility.toString(16).toUpperCase(),
    `${general & 32 ? "H" : "L"}${at(record, 12)}`,
    ...constraints.map((byte) => byte.toString(16).toUpperCase())
  ].join(".")
}

/** Profile and level of the configuration record of Dolby Vision, for entries that have no other layer below. */
export const ofDolbyVision = (record: Uint8Array, entry: "dvh1" | "dvav"): string =>
  `${entry}.${digits(at(record, 2) >> 1)}.${digits(((at(record, 2) & 1) << 5) | (at(record, 3) >> 3))}`

const highDynamicRange = new Set([16, 18])

/** What `vpcC` holds behind its version and flags (VP Codec ISO Media File Format Binding). */
export const ofVp9 = (record: Uint8Array): string => {
  const third = at(record, 2)
  // A level of 0 is one that the writer didn't know; players take no such string.
  const parts = [at(record, 0), Math.max(10, at(record, 1)), third >> 4]
  if (highDynamicRange.has(at(record, 4))) {
    parts.push((third >> 1) & 7, at(record, 3), at(record, 4), at(record, 5), third & 1)
  }
  return `vp09.${parts.map(digits).join(".")}`
}

/** AV1CodecConfigurationRecord (AV1 Codec ISO Media File Format Binding, 2.3). */
export const ofAv1 = (record: Uint8Array): string => {
  const [second, third] = [at(record, 1), at(record, 2)]
  const depth = third & 0x40 ? (third & 0x20 ? 12 : 10) : 8
  return `av01.${second >> 5}.${digits(second & 31)}${third & 0x80 ? "H" : "M"}.${digits(depth)}`
}

const sampleRates = [96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350]
const channelCounts = [null, 1, 2, 3, 4, 5, 6, 8, null, null, null, 7, 8, 24, 8]

export interface AudioFacts {
  readonly codecString: string
  readonly channels: number | null
  readonly sampleRate: number | null
}

/** AudioSpecificConfig (ISO 14496-3, 1.6.2.1). With spectral band replication the rate is what comes out. */
export const ofAac = (config: Uint8Array): AudioFacts => {
  let bit = 0
  const read = (count: number): number => {
    let value = 0
    for (let i = 0; i < count; i++, bit++) value = value * 2 + ((at(config, bit >> 3) >> (7 - (bit & 7))) & 1)
    return value
  }
  const objectType = () => {
    const type = read(5)
    return type === 31 ? 32 + read(6) : type
  }
  const rate = () => {
    const index = read(4)
    return index === 15 ? read(24) : (sampleRates[index] ?? null)
  }
  const type = objectType()
  const coded = rate()
  const channels = channelCounts[read(4)] ?? null
  const isReplicated = type === 5 || type === 29
  return {
    codecString: `mp4a.40.${type === 0 ? 2 : type}`,
    channels: type === 29 ? 2 : channels,
    sampleRate: isReplicated ? rate() : coded
  }
}

/** STREAMINFO (RFC 9639, 8.2). */
export const ofFlac = (info: Uint8Array): AudioFacts & { readonly bits: number } => ({
  codecString: "fLaC",
  sampleRate: (at(info, 10) << 12) | (at(info, 11) << 4) | (at(info, 12) >> 4),
  channels: ((at(info, 12) >> 1) & 7) + 1,
  bits: (((at(info, 12) & 1) << 4) | (at(info, 13) >> 4)) + 1
})
