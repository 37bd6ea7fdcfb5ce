import { languageTag } from "./Languages.ts"

/** What the name of a subtitle file says: `Film.pt-BR.forced.srt`. */
export interface SidecarName {
  /** BCP 47. */
  readonly language: string | null
  readonly isForced: boolean
  readonly isForHearingImpaired: boolean
}

const endings = /\.(?:srt|vtt|ass|ssa)$/i
const hearingImpaired = new Set(["sdh", "hi", "cc"])
const meaningless = new Set(["default", "full", "sub", "subs", "subtitle", "subtitles"])
/** More words than these belong to another title. */
const maxWords = 4

/** What the keys of subtitle files beside an object begin with: `films/Film.` of `films/Film.mp4`. */
export const sidecarPrefix = (key: string): string => {
  const name = key.slice(key.lastIndexOf("/") + 1)
  const dot = name.lastIndexOf(".")
  return dot <= 0 ? `${key}.` : `${key.slice(0, key.length - name.length + dot)}.`
}

/**
 * Whether `candidate` is a subtitle file of the object `key`, and what its name says. `null` for any other: the words
 * between the title and the ending must be a language, a purpose or a number, so that `Film.Part 2.srt` is not Film's.
 */
export const sidecarName = (key: string, candidate: string): SidecarName | null => {
  const prefix = sidecarPrefix(key)
  if (!candidate.startsWith(prefix) || !endings.test(candidate)) return null
  const words = candidate.slice(prefix.length).split(".").slice(0, -1)
  if (words.length > maxWords) return null
  let language: string | null = null
  let isForced = false
  let isForHearingImpaired = false
  for (const word of words) {
    const lower = word.toLowerCase()
    const found = languageTag(word)
    if (lower === "forced" || lower === "foreign") isForced = true
    // `hi` alone is Hindi, and beside a language it is a purpose.
    else if (hearingImpaired.has(lower) && (language !== null || found === null || lower === "sdh")) {
      isForHearingImpaired = true
    } else if (found !== null && language === null) language = found
    else if (!meaningless.has(lower) && !/^\d{1,3}$/.test(word)) return null
  }
  return { language, isForced, isForHearingImpaired }
}
