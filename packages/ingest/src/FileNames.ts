/**
 * What the name of a file tells. Names of films and series follow a custom (`The.Film.2019.1080p.x264-GRP`): words, the
 * year, then how it was made, which nobody wants to read. What does not look like one stays as it is.
 */
export interface FileName {
  /** For people. */
  readonly title: string
  /** The last part of the key, as it is. */
  readonly originalName: string
  readonly year: number | null
  readonly season: number | null
  readonly episode: number | null
}

/** How it was made. From the first of these on, a name says nothing else. */
const making = new RegExp(
  `(?<![\\p{L}\\p{N}])(?:${[
    "(?:480|576|720|1080|1440|2160|4320)[pi]",
    "4k|uhd|hdr(?:10)?|10bit|8bit",
    "[xh][ .]?26[45]|hevc|avc|av1|xvid|divx",
    "blu-?ray|bd-?rip|br-?rip|web-?dl|web-?rip|hd-?rip|hdtv|pdtv|dvd-?rip|dvd-?scr|dvd[59]?|remux",
    "dts(?:-hd)?|truehd|atmos|ddp?[ .]?[257][ .][01]|e?ac3|flac|aac(?:[ .]?[257][ .][01])?"
  ].join("|")})(?![\\p{L}\\p{N}])`,
  "iu"
)
const episodes =
  /(?<![\p{L}\p{N}])(?:s(\d{1,2})[ ._-]{0,3}e(\d{1,3})(?:-?e\d{1,3})?|(\d{1,2})x(\d{2,3}))(?![\p{L}\p{N}])/iu
/** Films are made since 1888. What lies far ahead is a title. */
const years = /(?<![\p{L}\p{N}])(?:18(?:8[89]|9\d)|19\d\d|20[0-3]\d)(?![\p{L}\p{N}])/gu
/** A name that a camera or a telephone gave: nothing in it is a word. */
const camera =
  /^(?:[A-Z]{2,5}|[A-Z][a-z]+)?[-_]?\d[\d_-]*(?:\(\d+\))?$|^(?:IMG|VID|DSC|PXL|MVI|GOPR|GX|DJI|Screenshot)[-_ \d]/

const baseName = (key: string): string => key.slice(key.lastIndexOf("/") + 1)

const withoutEnding = (name: string): string => {
  const dot = name.lastIndexOf(".")
  return dot > 0 ? name.slice(0, dot) : name
}

/** Words that are parted by dots or lines. */
const spaced = (name: string, isCustom: boolean): string => {
  const parts = name.split(/[._]/).length - 1
  return !name.includes(" ") && (parts > 1 || (isCustom && parts > 0)) ? name.replace(/[._]+/g, " ") : name
}

const tidy = (text: string): string =>
  text
    .replace(/\s+/g, " ")
    .replace(/[\s\-–._([{]+$/u, "")
    .replace(/^[\s\-–._)\]}]+/u, "")

/** The year that stands last and not first, of a film that is also called by one: `2001 A Space Odyssey 1968`. */
const lastYear = (text: string) => [...text.matchAll(years)].findLast(({ index }) => tidy(text.slice(0, index)) !== "")

const numberOf = (digits: string | undefined) => (digits === undefined ? null : Number(digits))

export const read = (key: string): FileName => {
  const originalName = baseName(key)
  const plain = withoutEnding(originalName)
  const nothing = { title: plain, originalName, year: null, season: null, episode: null }
  if (camera.test(plain)) return nothing
  const isCustom = making.test(plain) || episodes.test(plain)
  // Who made it stands in brackets before some names, and its number before some songs.
  const name = spaced(plain, isCustom)
    .replace(/^\[[^\]]*\]\s*(?=\S)/u, "")
    .replace(/^\d{1,3}\s*[-._)]\s*(?=\p{L})/u, "")

  const cut = making.exec(name)?.index ?? name.length
  const before = name.slice(0, cut)
  const found = episodes.exec(before)
  if (found !== null) {
    const [text, season, episode, otherSeason, otherEpisode] = found
    const numbers = { season: Number(season ?? otherSeason), episode: Number(episode ?? otherEpisode) }
    const code = `S${String(numbers.season).padStart(2, "0")}E${String(numbers.episode).padStart(2, "0")}`
    const title = [tidy(before.slice(0, found.index)), code, tidy(before.slice(found.index + text.length))]
    return { title: title.filter((part) => part !== "").join(" "), originalName, year: null, ...numbers }
  }

  // Somebody's own words are left alone.
  if (!isCustom && name === plain) return { ...nothing, year: numberOf(/\((\d{4})\)/.exec(name)?.[1]) }
  const year = lastYear(before)
  if (year === undefined) return { ...nothing, title: tidy(before) || plain }
  const said = isCustom ? "" : tidy(before.slice(year.index + year[0].length))
  const title = `${tidy(before.slice(0, year.index))} (${year[0]})${said === "" ? "" : ` ${said}`}`
  return { ...nothing, title, year: Number(year[0]) }
}
