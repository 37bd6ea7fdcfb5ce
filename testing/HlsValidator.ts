/**
 * A validator of playlists, written from RFC 8216: what a line breaks of it, in words. Knows what our playlists use; a tag
 * that it doesn't know is a mistake too.
 */

const attributeNames: Readonly<Record<string, ReadonlyArray<string>>> = {
  "EXT-X-MEDIA":
    "TYPE GROUP-ID NAME LANGUAGE ASSOC-LANGUAGE DEFAULT AUTOSELECT FORCED INSTREAM-ID CHARACTERISTICS CHANNELS URI".split(
      " "
    ),
  "EXT-X-STREAM-INF": "BANDWIDTH AVERAGE-BANDWIDTH CODECS RESOLUTION FRAME-RATE AUDIO VIDEO SUBTITLES".split(" "),
  "EXT-X-MAP": ["URI", "BYTERANGE"]
}

/** 4.2: the forms that values have. */
const forms: Readonly<Record<string, RegExp>> = {
  TYPE: /^(AUDIO|VIDEO|SUBTITLES|CLOSED-CAPTIONS)$/,
  DEFAULT: /^(YES|NO)$/,
  AUTOSELECT: /^(YES|NO)$/,
  FORCED: /^(YES|NO)$/,
  BANDWIDTH: /^[1-9]\d{0,19}$/,
  "AVERAGE-BANDWIDTH": /^[1-9]\d{0,19}$/,
  RESOLUTION: /^[1-9]\d*x[1-9]\d*$/,
  "FRAME-RATE": /^\d+\.\d{1,3}$/
}
const quoted = /^"[^"\r\n]*"$/

export interface Attributes {
  readonly [name: string]: string
}

const unquote = (value: string): string => value.replace(/^"|"$/g, "")

const parseAttributes = (tag: string, text: string, wrong: (what: string) => void): Attributes => {
  const found: Record<string, string> = {}
  let rest = text
  while (rest !== "") {
    const match = /^([A-Z0-9-]+)=("[^"\r\n]*"|[^",\s]+)(,|$)/.exec(rest)
    if (match === null) {
      wrong(`${tag} has an attribute list that can't be read at ${rest}`)
      return found
    }
    const [whole, name = "", value = ""] = match
    if (name in found) wrong(`${tag} has ${name} twice`)
    if (attributeNames[tag]?.includes(name) !== true) wrong(`${tag} has an unknown attribute ${name}`)
    if (!(forms[name] ?? quoted).test(value)) wrong(`${name} has the value ${value}`)
    found[name] = unquote(value)
    rest = rest.slice(whole.length)
  }
  return found
}

export interface MediaPlaylist {
  readonly mistakes: ReadonlyArray<string>
  readonly map: string | null
  readonly isIndependent: boolean
  readonly segments: ReadonlyArray<{ readonly uri: string; readonly seconds: number }>
}

const linesOf = (text: string, wrong: (what: string) => void): ReadonlyArray<string> => {
  if (text.startsWith("\ufeff")) wrong("begins with a byte order mark (4)")
  // oxlint-disable-next-line no-control-regex
  if (/[\u0000-\u0009\u000b\u000c\u000e-\u001f\u007f]/.test(text)) wrong("has control characters (4)")
  const lines = text.split(/\r?\n/)
  if (lines.pop() !== "") wrong("has a last line without an end (4.1)")
  if (lines[0] !== "#EXTM3U") wrong("does not begin with EXTM3U (4.3.1.1)")
  return lines.slice(1)
}

/** A media playlist of VOD (4.3.2 and 4.3.3). */
export const validateMedia = (text: string): MediaPlaylist => {
  const mistakes: Array<string> = []
  const wrong = (what: string) => void mistakes.push(what)
  const once = new Map<string, string>()
  const segments: Array<{ uri: string; seconds: number }> = []
  let map: string | null = null
  let pending: number | null = null
  let hasDecimals = false
  for (const line of linesOf(text, wrong)) {
    const [tag = "", value = ""] = line.startsWith("#") ? line.slice(1).split(/:(.*)/s) : ["", ""]
    if (once.has("EXT-X-ENDLIST")) wrong("goes on behind EXT-X-ENDLIST")
    if (line === "") continue
    if (!line.startsWith("#")) {
      if (pending === null) wrong(`${line} has no EXTINF (4.3.2.1)`)
      segments.push({ uri: line, seconds: pending ?? 0 })
      pending = null
    } else if (tag === "EXTINF") {
      const match = /^(\d+(?:\.\d+)?),(.*)$/.exec(value)
      if (match === null) wrong(`EXTINF has the value ${value}`)
      if (pending !== null) wrong("EXTINF stands before no segment")
      hasDecimals ||= value.includes(".")
      pending = Number(match?.[1] ?? Number.NaN)
    } else if (tag === "EXT-X-MAP") {
      if (segments.length > 0) wrong("EXT-X-MAP stands behind segments")
      map = parseAttributes(tag, value, wrong)["URI"] ?? null
      if (map === null) wrong("EXT-X-MAP has no URI (4.3.2.5)")
    } else if (/^EXT-X-(VERSION|TARGETDURATION|MEDIA-SEQUENCE|PLAYLIST-TYPE|INDEPENDENT-SEGMENTS|ENDLIST)$/.test(tag)) {
      if (once.has(tag)) wrong(`has ${tag} twice`)
      if (tag !== "EXT-X-ENDLIST" && segments.length > 0) wrong(`${tag} stands behind segments`)
      once.set(tag, value)
    } else wrong(`has an unknown line ${line}`)
  }
  const version = Number(once.get("EXT-X-VERSION") ?? 1)
  const target = once.get("EXT-X-TARGETDURATION") ?? ""
  if (!/^\d+$/.test(target)) wrong("has no EXT-X-TARGETDURATION (4.3.3.1)")
  for (const { seconds, uri } of segments) {
    if (!(Math.round(seconds) <= Number(target))) wrong(`${uri} is longer than EXT-X-TARGETDURATION (4.3.3.1)`)
  }
  if (!once.has("EXT-X-ENDLIST")) wrong("has no EXT-X-ENDLIST")
  if (once.get("EXT-X-PLAYLIST-TYPE") !== "VOD") wrong("is no VOD")
  if (hasDecimals && version < 3) wrong("needs version 3 (7)")
  if (map !== null && version < 6) wrong("needs version 6 (7)")
  if (segments.length === 0) wrong("has no segments")
  if (new Set(segments.map(({ uri }) => uri)).size !== segments.length) wrong("names a segment twice")
  return { mistakes, map, isIndependent: once.has("EXT-X-INDEPENDENT-SEGMENTS"), segments }
}

export interface MultivariantPlaylist {
  readonly mistakes: ReadonlyArray<string>
  readonly variants: ReadonlyArray<Attributes & { readonly uri: string }>
  readonly media: ReadonlyArray<Attributes>
}

/** A multivariant ("master") playlist (4.3.4). */
export const validateMultivariant = (text: string): MultivariantPlaylist => {
  const mistakes: Array<string> = []
  const wrong = (what: string) => void mistakes.push(what)
  const variants: Array<Attributes & { uri: string }> = []
  const media: Array<Attributes> = []
  let pending: Attributes | null = null
  let versions = 0
  for (const line of linesOf(text, wrong)) {
    const [tag = "", value = ""] = line.startsWith("#") ? line.slice(1).split(/:(.*)/s) : ["", ""]
    if (pending !== null && line.startsWith("#")) wrong("EXT-X-STREAM-INF stands before no URI (4.3.4.2)")
    if (line === "") continue
    if (!line.startsWith("#")) {
      if (pending === null) wrong(`${line} has no EXT-X-STREAM-INF`)
      variants.push({ ...pending, uri: line })
      pending = null
    } else if (tag === "EXT-X-VERSION") {
      if (++versions > 1 || !/^[1-7]$/.test(value)) wrong("has a wrong EXT-X-VERSION")
    } else if (tag === "EXT-X-MEDIA") media.push(parseAttributes(tag, value, wrong))
    else if (tag === "EXT-X-STREAM-INF") pending = parseAttributes(tag, value, wrong)
    else wrong(`has an unknown line ${line}`)
  }
  for (const entry of media) {
    for (const name of ["TYPE", "GROUP-ID", "NAME"]) if (!entry[name]) wrong(`EXT-X-MEDIA has no ${name} (4.3.4.1)`)
    if (entry["TYPE"] === "SUBTITLES" && !entry["URI"]) wrong("subtitles have no URI (4.3.4.1)")
    if (entry["FORCED"] !== undefined && entry["TYPE"] !== "SUBTITLES") wrong("FORCED is for subtitles (4.3.4.1)")
    if (entry["DEFAULT"] === "YES" && entry["AUTOSELECT"] === "NO") wrong("a default is not selected (4.3.4.1)")
    const group = media.filter((other) => other["GROUP-ID"] === entry["GROUP-ID"] && other["TYPE"] === entry["TYPE"])
    if (group.filter((other) => other["NAME"] === entry["NAME"]).length > 1) wrong("two have one name (4.3.4.1.1)")
    if (group.filter((other) => other["DEFAULT"] === "YES").length > 1) wrong("two are default (4.3.4.1.1)")
  }
  const has = (type: string, id: string) => media.some((entry) => entry["TYPE"] === type && entry["GROUP-ID"] === id)
  for (const variant of variants) {
    if (variant["BANDWIDTH"] === undefined) wrong("a variant has no BANDWIDTH (4.3.4.2)")
    if (Number(variant["AVERAGE-BANDWIDTH"] ?? 0) > Number(variant["BANDWIDTH"])) wrong("the average is above the peak")
    for (const type of ["AUDIO", "SUBTITLES"]) {
      const id = variant[type]
      if (id !== undefined && !has(type, id)) wrong(`a variant names the group ${id}, which is not there (4.3.4.2)`)
    }
  }
  if (variants.length === 0) wrong("has no variant")
  return { mistakes, variants, media }
}
