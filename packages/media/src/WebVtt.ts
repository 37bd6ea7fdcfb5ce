/** A line of a subtitle and when it is shown. Seconds. */
export interface Cue {
  readonly startSeconds: number
  readonly endSeconds: number
  /** Text with the tags of WebVTT that are kept, lines parted by `\n`. */
  readonly text: string
  /** WebVTT's cue settings (`line:0 position:20%`), or nothing. */
  readonly settings: string
}

/** A film of three hours that never stops talking has about 5,000. */
export const maxCues = 50_000
export const maxCueLength = 5_000

const pad = (value: number, length: number): string => String(value).padStart(length, "0")

/** `01:02:03.456` */
export const timestamp = (seconds: number): string => {
  const millis = Math.round(seconds * 1000)
  const [hours, minutes] = [Math.floor(millis / 3_600_000), Math.floor(millis / 60_000) % 60]
  return `${pad(hours, 2)}:${pad(minutes, 2)}:${pad(Math.floor(millis / 1000) % 60, 2)}.${pad(millis % 1000, 3)}`
}

const time = /^(?:(\d{1,4}):)?(\d{1,2}):(\d{2})[.,](\d{1,3})$/

/** The time that WebVTT, SubRip (with a comma) and ASS (with hundredths) write; `null` for what is none. */
export const parseTimestamp = (text: string): number | null => {
  const [, hours = "0", minutes, seconds, fraction] = time.exec(text.trim()) ?? []
  if (minutes === undefined || seconds === undefined || fraction === undefined) return null
  return Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds) + Number(`0.${fraction}`)
}

/** Italics, bold, underlined, and who speaks. Everything else that looks like markup is shown as what it is. */
const kept = /^<\/?(?:[biu]|v(?:\.[\w-]+)?(?: [^<>&]*)?)>$/
const escapes: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;" }
const entities: Readonly<Record<string, string>> = {
  "&nbsp;": "\u00a0",
  "&lrm;": "\u200e",
  "&rlm;": "\u200f",
  "&amp;": "&",
  "&lt;": "<",
  "&gt;": ">"
}
const escape = (text: string): string =>
  text
    .replaceAll(/&(?:nbsp|lrm|rlm|amp|lt|gt);/g, (entity) => entities[entity] ?? entity)
    .replaceAll(/[&<>]/g, (letter) => escapes[letter] ?? letter)

/** Text of a cue as it may be given to players: no other markup than the kept, no empty line, which would end it. */
export const cleanCueText = (text: string): string =>
  text
    .slice(0, maxCueLength)
    .toWellFormed()
    .replaceAll(/\r\n?/g, "\n")
    // oxlint-disable-next-line no-control-regex -- these are what is taken out
    .replaceAll(/[\u0000-\u0008\u000b-\u001f\u007f]/g, "")
    .split(/(<[^<>]*>)/)
    .map((part) => (kept.test(part) ? part : escape(part)))
    .join("")
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "")
    .join("\n")

const setting = /^(?:line|position|size|align|vertical):[\w.%,-]{1,20}$/

/** A WebVTT file of these cues, in the order of time; `null` when there is none to show. */
export const formatVtt = (cues: ReadonlyArray<Cue>): string | null => {
  const shown = cues
    .slice(0, maxCues)
    .filter(({ endSeconds, startSeconds, text }) => endSeconds > startSeconds && text !== "")
    .toSorted((a, b) => a.startSeconds - b.startSeconds)
    .map(({ endSeconds, settings, startSeconds, text }) => {
      const known = settings.split(/\s+/).filter((part) => setting.test(part))
      return `${[timestamp(startSeconds), "-->", timestamp(endSeconds), ...known].join(" ")}\n${text}\n`
    })
  return shown.length === 0 ? null : `WEBVTT\n\n${shown.join("\n")}`
}

const arrow = /^(\S+)\s+-->\s+(\S+)(.*)$/

/** The cues of WebVTT or SubRip: blocks with an arrow between two times. What is none of these is left out. */
export const parseCues = (text: string): ReadonlyArray<Cue> => {
  const cues: Array<Cue> = []
  for (const block of text.replaceAll(/\r\n?/g, "\n").split(/\n(?:[ \t]*\n)+/)) {
    const lines = block.split("\n")
    const at = lines.findIndex((line) => line.includes("-->"))
    const [, from = "", to = "", settings = ""] = arrow.exec(lines[at]?.trim() ?? "") ?? []
    const startSeconds = parseTimestamp(from)
    const endSeconds = parseTimestamp(to)
    if (startSeconds === null || endSeconds === null) continue
    cues.push({ startSeconds, endSeconds, settings, text: cleanCueText(lines.slice(at + 1).join("\n")) })
    if (cues.length === maxCues) break
  }
  return cues
}
