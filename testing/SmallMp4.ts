import { box, fullBox, uint16s, uint32s } from "@joy/media/index/mp4/Boxes"
import { audioEntry } from "@joy/media/index/SampleEntries"

/** An MP4 of sound, of a few bytes, each of whose tables can be another. */

/** AAC LC with 48 kHz. */
export const aacEntry = (channels: number): Uint8Array => {
  const head = [3, 22, 0, 1, 0, 4, 17, 0x40, 0x15, ...Array(11).fill(0)]
  const esds = fullBox("esds", 0, 0, Uint8Array.from([...head, 5, 2, 0x11, 0x80 | (channels << 3)]))
  return audioEntry("mp4a", { channels, sampleRate: 48_000 }, esds)
}

export interface Tables {
  readonly stsd?: Uint8Array
  readonly stts?: Uint8Array
  readonly stsc?: Uint8Array
  readonly stsz?: Uint8Array
  readonly chunks?: Uint8Array
  /** Further boxes beside them. */
  readonly more?: ReadonlyArray<Uint8Array>
}

/** Ten samples of eight bytes in two chunks, at 0 and 40 in the data. */
export const sampleCount = 10
export const sampleBytes = 8

const mdat = (fill: number) => box("mdat", new Uint8Array(sampleCount * sampleBytes).fill(fill))
const ftyp = box("ftyp", new TextEncoder().encode("isom"), uint32s(0))
/** Where the data begins. */
export const dataStart = ftyp.length + 8

export const trackOf = (tables: Tables, edits: ReadonlyArray<Uint8Array> = []): Uint8Array =>
  box(
    "trak",
    fullBox("tkhd", 0, 7, uint32s(0, 0, 1, 0, 0), new Uint8Array(60)),
    ...edits,
    box(
      "mdia",
      fullBox("mdhd", 0, 0, uint32s(0, 0, 48_000, 0), uint16s(0x15c7, 0)),
      fullBox("hdlr", 0, 0, uint32s(0), new TextEncoder().encode("soun"), new Uint8Array(13)),
      box(
        "minf",
        box(
          "stbl",
          tables.stsd ?? fullBox("stsd", 0, 0, uint32s(1), aacEntry(2)),
          tables.stts ?? fullBox("stts", 0, 0, uint32s(1, sampleCount, 1024)),
          tables.stsc ?? fullBox("stsc", 0, 0, uint32s(1, 1, 5, 1)),
          tables.stsz ?? fullBox("stsz", 0, 0, uint32s(sampleBytes, sampleCount)),
          tables.chunks ?? fullBox("stco", 0, 0, uint32s(2, dataStart, dataStart + 40)),
          ...(tables.more ?? [])
        )
      )
    )
  )

export const fileOf = (...moov: ReadonlyArray<Uint8Array>): Uint8Array =>
  Buffer.concat([
    ftyp,
    mdat(1),
    box("moov", fullBox("mvhd", 0, 0, uint32s(0, 0, 1000, 0), new Uint8Array(80)), ...moov)
  ])

export const small = (tables: Tables = {}, edits: ReadonlyArray<Uint8Array> = []): Uint8Array =>
  fileOf(trackOf(tables, edits))
