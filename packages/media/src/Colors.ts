import type { VideoColor } from "@joy/domain/MediaStream"

import type { ColorCodes } from "./demux/Outline.ts"

/** FFmpeg's names for the codes of ITU-T H.273 (8.1 to 8.3). */
const primaries: Readonly<Record<number, string>> = {
  1: "bt709",
  4: "bt470m",
  5: "bt470bg",
  6: "smpte170m",
  7: "smpte240m",
  8: "film",
  9: "bt2020",
  10: "smpte428",
  11: "smpte431",
  12: "smpte432",
  22: "ebu3213"
}
const transfers: Readonly<Record<number, string>> = {
  1: "bt709",
  4: "bt470m",
  5: "bt470bg",
  6: "smpte170m",
  7: "smpte240m",
  8: "linear",
  9: "log100",
  10: "log316",
  11: "iec61966-2-4",
  12: "bt1361e",
  13: "iec61966-2-1",
  14: "bt2020-10",
  15: "bt2020-12",
  16: "smpte2084",
  17: "smpte428",
  18: "arib-std-b67"
}
const matrices: Readonly<Record<number, string>> = {
  0: "gbr",
  1: "bt709",
  4: "fcc",
  5: "bt470bg",
  6: "smpte170m",
  7: "smpte240m",
  8: "ycgco",
  9: "bt2020nc",
  10: "bt2020c",
  11: "smpte2085",
  12: "chroma-derived-nc",
  13: "chroma-derived-c",
  14: "ictcp"
}

/** The codes of the names that WebCodecs has for them, which mediabunny speaks. */
const webPrimaries: Readonly<Record<string, number>> = { bt709: 1, bt470bg: 5, smpte170m: 6, bt2020: 9, smpte432: 12 }
const webTransfers: Readonly<Record<string, number>> = {
  bt709: 1,
  smpte170m: 6,
  linear: 8,
  "iec61966-2-1": 13,
  pq: 16,
  hlg: 18
}
const webMatrices: Readonly<Record<string, number>> = { rgb: 0, bt709: 1, bt470bg: 5, smpte170m: 6, "bt2020-ncl": 9 }

interface WebColor {
  readonly primaries?: string | null | undefined
  readonly transfer?: string | null | undefined
  readonly matrix?: string | null | undefined
  readonly fullRange?: boolean | null | undefined
}

export const codesOfWebColor = (color: WebColor): ColorCodes => ({
  primaries: webPrimaries[color.primaries ?? ""] ?? null,
  transfer: webTransfers[color.transfer ?? ""] ?? null,
  matrix: webMatrices[color.matrix ?? ""] ?? null,
  isFullRange: color.fullRange ?? null
})

export const namesOfCodes = (codes: ColorCodes) => ({
  range: codes.isFullRange === null ? null : codes.isFullRange ? ("full" as const) : ("limited" as const),
  space: matrices[codes.matrix ?? -1] ?? null,
  transfer: transfers[codes.transfer ?? -1] ?? null,
  primaries: primaries[codes.primaries ?? -1] ?? null
})

/** The color with what a display has to be able to do for it. */
export const videoColor = (color: Omit<VideoColor, "dynamicRange">): VideoColor => ({
  dynamicRange:
    color.dolbyVision !== null
      ? "dolby-vision"
      : color.transfer === "smpte2084"
        ? "hdr10"
        : color.transfer === "arib-std-b67"
          ? "hlg"
          : "sdr",
  ...color
})
