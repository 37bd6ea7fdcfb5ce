import { bodyOf, childrenOf, type Element, elementsIn, Id, textOf } from "./Elements.ts"
import { hexOf } from "./Tracks.ts"

/** `00:21:13.400000000`, as mkvmerge and FFmpeg write it of each track. */
const secondsOf = (text: string): number | null => {
  const [, hours, minutes, seconds] = /^(\d{1,4}):([0-5]\d):([0-5]\d(?:\.\d{1,12})?)$/.exec(text) ?? []
  return seconds === undefined ? null : Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds)
}

const readTag = (bytes: Uint8Array, tag: Element) => {
  const uids: Array<string> = []
  let seconds: number | null = null
  for (const part of childrenOf(bytes, tag)) {
    const fields = part.id === Id.targets || part.id === Id.simpleTag ? [...childrenOf(bytes, part)] : []
    for (const field of fields) if (field.id === Id.tagTrackUid) uids.push(hexOf(bodyOf(bytes, field)))
    const [name, value] = [Id.tagName, Id.tagString].map((id) => fields.find((field) => field.id === id))
    if (name !== undefined && value !== undefined && textOf(bytes, name) === "DURATION") {
      seconds ??= secondsOf(textOf(bytes, value))
    }
  }
  return { uids, seconds }
}

/** Reads the body of Tags: when tracks end, by what they are called there, for those of which that is said. */
export const readEnds = (bytes: Uint8Array): ReadonlyMap<string, number> => {
  const ends = new Map<string, number>()
  for (const tag of elementsIn(bytes, 0, bytes.length)) {
    if (tag.id !== Id.tag) continue
    const { seconds, uids } = readTag(bytes, tag)
    for (const uid of uids) if (seconds !== null) ends.set(uid, seconds)
  }
  return ends
}
