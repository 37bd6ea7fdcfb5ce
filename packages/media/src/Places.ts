import type { Location } from "./ProbeResult.ts"

/** A millionth of a degree is a tenth of a metre. */
const rounded = (degrees: number) => Math.round(degrees * 1e6) / 1e6

/** A place on this planet; `null` for numbers that are none, and for the 0, 0 of receivers that saw no satellite. */
export const cleanLocation = (latitude: number, longitude: number, altitude: number | null): Location | null => {
  if (!(Math.abs(latitude) <= 90) || !(Math.abs(longitude) <= 180) || (latitude === 0 && longitude === 0)) return null
  const isHeight = altitude !== null && Math.abs(altitude) < 100_000
  return {
    latitude: rounded(latitude),
    longitude: rounded(longitude),
    altitude: isHeight ? Math.round(altitude * 10) / 10 : null
  }
}

/** ISO 6709 in decimal degrees, as cameras write it: `+48.8577+002.295+035/`. */
const iso6709 = /^([+-]\d{1,2}(?:\.\d+)?)([+-]\d{1,3}(?:\.\d+)?)([+-]\d+(?:\.\d+)?)?(?:CRS[^/]*)?\/?$/

const tagNames = new Set(["com.apple.quicktime.location.iso6709", "©xyz", "location", "location-eng"])

/** Where a video was taken, by its container's tags. */
export const locationOfTags = (raw: Readonly<Record<string, string | undefined>>): Location | null => {
  for (const [name, value] of Object.entries(raw)) {
    const found = tagNames.has(name.toLowerCase()) ? iso6709.exec(value?.trim() ?? "") : null
    if (found === null) continue
    const altitude = found[3] === undefined ? null : Number(found[3])
    return cleanLocation(Number(found[1]), Number(found[2]), altitude)
  }
  return null
}
