import { type Cue, cleanCueText, formatVtt, maxCueLength, maxCues, parseCues, parseTimestamp } from "./WebVtt.ts"

/** Text as its byte order mark says, as UTF-8 where it is that, else as Windows' Western letters, which any bytes are. */
export const decodeText = (bytes: Uint8Array): string => {
  const [first, second] = bytes
  if (first === 0xff && second === 0xfe) return new TextDecoder("utf-16le").decode(bytes)
  if (first === 0xfe && second === 0xff) return new TextDecoder("utf-16be").decode(bytes)
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes)
  } catch {
    return new TextDecoder("windows-1252").decode(bytes)
  }
}

/** Styles that WebVTT has too; the others, drawings and positions in pixels are dropped. */
const assText = (text: string): string =>
  cleanCueText(
    text
      .slice(0, maxCueLength)
      .replaceAll(/\{[^{}]*\\p[1-9][^{}]*\}[^{]*/g, "")
      .replaceAll(/\{([^{}]*)\}/g, (_, codes: string) =>
        [...codes.matchAll(/\\([ibu])([01])/g)].map(([, tag, on]) => `<${on === "1" ? "" : "/"}${tag}>`).join("")
      )
      .replaceAll(/\\[Nn]/g, "\n")
      .replaceAll("\\h", " ")
  )

/** The dialogue of SSA and ASS: fields by commas, as the Format line before them names them; the last one is the text. */
const parseAss = (text: string): ReadonlyArray<Cue> => {
  const cues: Array<Cue> = []
  let fields: ReadonlyArray<string> = []
  for (const line of text.split(/\r\n?|\n/)) {
    const [, kind, rest = ""] = /^(Format|Dialogue):\s*(.*)$/.exec(line) ?? []
    if (kind === "Format") fields = rest.split(",").map((name) => name.trim().toLowerCase())
    if (kind !== "Dialogue" || cues.length === maxCues) continue
    const values = rest.split(",")
    const value = (name: string) => values[fields.indexOf(name)] ?? ""
    const startSeconds = parseTimestamp(value("start"))
    const endSeconds = parseTimestamp(value("end"))
    if (startSeconds === null || endSeconds === null || !fields.includes("text")) continue
    const words = values.slice(fields.indexOf("text")).join(",")
    cues.push({ startSeconds, endSeconds, settings: "", text: assText(words) })
  }
  return cues
}

/** A subtitle file (SubRip, WebVTT, SSA, ASS) as WebVTT, by its content; `null` when nothing in it is a subtitle. */
export const toVtt = (bytes: Uint8Array): string | null => {
  const text = decodeText(bytes).replace(/^\ufeff/, "")
  return formatVtt(/^\[Script Info\]/im.test(text) ? parseAss(text) : parseCues(text))
}
