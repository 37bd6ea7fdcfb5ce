import { maxStreams } from "../FfmpegArgs.ts"
import { type ReadBytes, Refused } from "./DemuxMessages.ts"
import { type Box, boxesOf, viewOf } from "./Mp4Boxes.ts"
import { readMp4Track } from "./Mp4Track.ts"
import { type Outline, readAhead, type TrackOutline } from "./Outline.ts"

/** Seconds from 1904, where ISO 14496-12 (8.2.2) counts from, to 1970. */
const epochOffset = 2_082_844_800

/** Walks the boxes of ISO 14496-12 as far as the sample tables. Refuses a file that has no index, or too many tracks. */
export const readMp4Outline = async (source: ReadBytes, sizeBytes: number): Promise<Outline> => {
  const boxes = boxesOf(readAhead(source, sizeBytes))

  const moov = async (): Promise<Box> => {
    let position = 0
    while (position + 8 <= sizeBytes) {
      const box = await boxes.boxAt(position, sizeBytes)
      if (box === null) break
      if (box.type === "moov") {
        if (box.end > sizeBytes) throw new Refused("is cut short: its index (moov) is incomplete")
        return box
      }
      position = box.end
    }
    throw new Refused("is cut short: its index (moov) is missing")
  }

  const tracks: Array<TrackOutline> = []
  let hasChapters = false
  let createdAtMillis: number | null = null
  const { bodyStart, end } = await moov()
  for await (const box of boxes.within(bodyStart, end)) {
    if (box.type === "trak") {
      if (tracks.length === maxStreams) throw new Refused(`declares more than ${maxStreams} streams`)
      const track = await readMp4Track(boxes, box)
      hasChapters ||= track.hasChapters
      tracks.push(track.outline)
    } else if (box.type === "mvhd") {
      const body = await boxes.read(box.bodyStart, box.bodyStart + 12)
      const view = viewOf(body)
      const seconds = body.length < 12 ? 0 : body[0] === 1 ? Number(view.getBigUint64(4)) : view.getUint32(4)
      // 0 is "not said"; what is before 1970 is a clock that was never set.
      createdAtMillis = seconds > epochOffset ? (seconds - epochOffset) * 1000 : null
    } else if (box.type === "udta") {
      for await (const inner of boxes.within(box.bodyStart, box.end)) hasChapters ||= inner.type === "chpl"
    }
  }
  return { tracks, hasChapters, createdAtMillis, title: null }
}
