import { box, fullBox, uint16s, uint32s } from "@joy/media/index/mp4/Boxes"

import type { PlannedTrack, Rendition } from "./Plan.ts"

/** `ftyp` and `moov` without samples (ISO 14496-12). Says nothing of when it was made: the same bytes every time. */

const text = (value: string) => new TextEncoder().encode(value)
const zeros = (count: number) => new Uint8Array(count)

const unturned = [0x1_0000, 0, 0, 0, 0x1_0000, 0, 0, 0, 0x4000_0000]
/** `und`, in five bits a letter. What language it is, the playlist says. */
const undetermined = 0x55c4

const movieHeader = fullBox(
  "mvhd",
  0,
  0,
  uint32s(0, 0, 1000, 0, 0x1_0000),
  uint16s(0x100, 0),
  zeros(8),
  uint32s(...unturned),
  zeros(24),
  uint32s(0xffff_ffff)
)

const trackHeader = ({ id, track }: PlannedTrack) =>
  fullBox(
    "tkhd",
    0,
    // Enabled, in the movie, in its preview.
    7,
    uint32s(0, 0, id, 0, 0),
    zeros(8),
    uint16s(0, 0, track.kind === "audio" ? 0x100 : 0, 0),
    uint32s(...(track.matrix ?? unturned)),
    uint32s((track.width ?? 0) * 0x1_0000, (track.height ?? 0) * 0x1_0000)
  )

/** What is decoded before the presentation begins: one edit, without a length, as in a file that goes on (8.6.6). */
const edits = (shift: number): ReadonlyArray<Uint8Array> => {
  if (shift >= 0) return []
  const entry = new DataView(new ArrayBuffer(20))
  entry.setBigInt64(8, BigInt(-shift))
  entry.setUint32(16, 0x1_0000)
  return [box("edts", fullBox("elst", 1, 0, uint32s(1), new Uint8Array(entry.buffer)))]
}

const sampleTable = ({ track }: PlannedTrack) =>
  box(
    "stbl",
    fullBox("stsd", 0, 0, uint32s(track.sampleEntries.length), ...track.sampleEntries),
    fullBox("stts", 0, 0, uint32s(0)),
    fullBox("stsc", 0, 0, uint32s(0)),
    fullBox("stsz", 0, 0, uint32s(0, 0)),
    fullBox("stco", 0, 0, uint32s(0))
  )

const trackBox = (planned: PlannedTrack) => {
  const { track } = planned
  const isVideo = track.kind === "video"
  return box(
    "trak",
    trackHeader(planned),
    ...edits(track.shift),
    box(
      "mdia",
      fullBox("mdhd", 0, 0, uint32s(0, 0, track.timescale, 0), uint16s(undetermined, 0)),
      fullBox("hdlr", 0, 0, uint32s(0), text(isVideo ? "vide" : "soun"), zeros(12), text("Joy\0")),
      box(
        "minf",
        isVideo ? fullBox("vmhd", 0, 1, zeros(8)) : fullBox("smhd", 0, 0, zeros(4)),
        box("dinf", fullBox("dref", 0, 0, uint32s(1), fullBox("url ", 0, 1))),
        sampleTable(planned)
      )
    )
  )
}

export const initSegment = ({ tracks }: Rendition): Uint8Array => {
  const extends_ = tracks.map(({ id }) => fullBox("trex", 0, 0, uint32s(id, 1, 0, 0, 0)))
  const parts = [
    box("ftyp", text("iso6"), uint32s(0), text("iso6mp41")),
    box("moov", movieHeader, ...tracks.map(trackBox), box("mvex", ...extends_))
  ]
  return Buffer.concat(parts)
}
