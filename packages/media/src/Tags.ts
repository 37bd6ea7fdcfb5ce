/**
 * The tags worth keeping, under one name whatever the container calls them. What is not listed is dropped, so that a file
 * can't fill a row with what it likes. Names are compared in lower case.
 */
const aliases: Readonly<Record<string, ReadonlyArray<string>>> = {
  title: ["title", "©nam", "tit2", "inam"],
  artist: ["artist", "©art", "tpe1", "iart"],
  album: ["album", "©alb", "talb", "iprd"],
  albumArtist: ["albumartist", "album_artist", "aart", "tpe2"],
  composer: ["composer", "©wrt", "tcom"],
  genre: ["genre", "©gen", "tcon", "ignr"],
  date: ["date", "©day", "tdrc", "tyer", "icrd", "date_released", "year", "mediabunny.date"],
  track: ["track", "tracknumber", "trck"],
  disc: ["disc", "discnumber", "tpos"],
  comment: ["comment", "©cmt", "icmt"],
  description: ["description", "desc", "synopsis"],
  copyright: ["copyright", "cprt", "tcop", "icop"],
  lyrics: ["lyrics", "©lyr", "lyrics-eng"],
  show: ["show", "tvsh"],
  season: ["season_number", "tvsn"],
  episode: ["episode_sort", "tves"],
  make: ["make", "com.apple.quicktime.make", "©mak"],
  model: ["model", "com.apple.quicktime.model", "©mod"],
  software: ["software", "com.apple.quicktime.software", "©swr"]
}

/** Characters of a value. Lyrics and descriptions are long by nature. */
const valueLimit = 1_000
const longValueLimit = 10_000
const long = new Set(["lyrics", "description", "comment"])

/** Text as it may be stored and shown: no NUL (Postgres refuses it), no control characters but line ends, no half letters. */
export const cleanText = (text: string, limit: number = valueLimit): string =>
  text
    .slice(0, limit)
    .toWellFormed()
    .replaceAll(/\r\n?/g, "\n")
    // oxlint-disable-next-line no-control-regex -- these are what is taken out
    .replaceAll(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u2028\u2029]/g, " ")
    .trim()

/** The known tags among `raw`, cleaned. The first name in the list of aliases that has a value wins. */
export const cleanTags = (raw: Readonly<Record<string, string | undefined>>): Record<string, string> => {
  const lower = new Map<string, string>()
  for (const [key, value] of Object.entries(raw)) {
    const name = key.toLowerCase()
    if (value !== undefined && !lower.has(name)) lower.set(name, value)
  }
  const tags: Record<string, string> = {}
  for (const [name, names] of Object.entries(aliases)) {
    for (const alias of names) {
      const value = cleanText(lower.get(alias) ?? "", long.has(name) ? longValueLimit : valueLimit)
      if (value === "") continue
      tags[name] = value
      break
    }
  }
  return tags
}

/** A time that a file claims, as ISO 8601 in UTC; `null` for nonsense and for clocks that were never set. */
export const cleanTime = (text: string | undefined): string | null => {
  if (text === undefined || !/^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}/.test(text)) return null
  const hasZone = /(Z|[+-]\d{2}:?\d{2})$/.test(text)
  const iso = text.replace(" ", "T").replace(/([+-]\d{2})(\d{2})$/, "$1:$2")
  const millis = Date.parse(hasZone ? iso : `${iso}Z`)
  return cleanMillis(Number.isNaN(millis) ? null : millis)
}

export const cleanMillis = (millis: number | null): string | null => {
  if (millis === null) return null
  const date = new Date(millis)
  return date.getUTCFullYear() >= 1971 && date.getUTCFullYear() < 2200 ? date.toISOString() : null
}
