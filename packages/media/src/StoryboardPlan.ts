import type { ProbeResult } from "./ProbeResult.ts"
import { timestamp } from "./WebVtt.ts"

/** When each tile of a sheet is shown, in seconds. */
export type TileTimes = ReadonlyArray<number>

export interface Plan {
  /** Which stream, as `ffmpeg -map 0:<stream>` counts them. */
  readonly stream: number
  readonly durationSeconds: number
  readonly tileSeconds: number
  readonly sheets: ReadonlyArray<TileTimes>
  /** Pixels. */
  readonly tile: { readonly width: number; readonly height: number }
  readonly columns: number
  readonly rows: number
  readonly sheetSize: { readonly width: number; readonly height: number }
  /** Degrees clockwise. */
  readonly rotation: number
}

const tilesPerSheet = 100
const columns = 10
const tileSide = 160
/** Up to a quarter of an hour a hundred tiles, beyond that one every ten seconds, of a whole day a thousand. */
const leastSeconds = 1
const usualSeconds = 10
const mostTiles = 1000

const even = (pixels: number) => Math.max(2, Math.round(pixels / 2) * 2)

/** Where the tiles are and how large; `null` for what has none. */
export const planOf = (probe: ProbeResult): Plan | null => {
  const stream = probe.streams.find(({ type }) => type === "video")
  const { durationSeconds, height, width } = probe
  if (stream === undefined || durationSeconds === null || durationSeconds <= 0 || width === null || height === null) {
    return null
  }
  const tileSeconds = Math.max(
    Math.min(Math.max(durationSeconds / tilesPerSheet, leastSeconds), usualSeconds),
    durationSeconds / mostTiles
  )
  const count = Math.max(1, Math.min(mostTiles, Math.ceil(durationSeconds / tileSeconds)))
  const times = Array.from({ length: count }, (_, i) => i * tileSeconds)
  const scale = tileSide / Math.max(width, height)
  const tile = { width: even(width * scale), height: even(height * scale) }
  const grid = { columns: Math.min(count, columns), rows: Math.ceil(Math.min(count, tilesPerSheet) / columns) }
  return {
    stream: stream.index,
    durationSeconds,
    tileSeconds,
    sheets: Array.from({ length: Math.ceil(count / tilesPerSheet) }, (_, i) =>
      times.slice(i * tilesPerSheet, (i + 1) * tilesPerSheet)
    ),
    tile,
    ...grid,
    sheetSize: { width: grid.columns * tile.width, height: grid.rows * tile.height },
    rotation: stream.rotation
  }
}

/** ffmpeg turns by itself only what its container says is to be turned. */
export const turns: Readonly<Record<number, ReadonlyArray<string>>> = {
  90: ["transpose=clock"],
  180: ["hflip", "vflip"],
  270: ["transpose=cclock"]
}

/** One picture every `tileSeconds`, the one before it where there is none, and these side by side, without end. */
export const tileFilters = (plan: Plan, options: { readonly tileSeconds: number; readonly rotation: number }): string =>
  [
    `fps=fps=1/${options.tileSeconds}:start_time=0:round=up`,
    "tpad=stop_mode=clone:stop=-1",
    ...(turns[options.rotation] ?? []),
    `scale=${plan.tile.width}:${plan.tile.height}:flags=area`,
    "setsar=1",
    `tile=${plan.columns}x${plan.rows}`
  ].join(",")

/** The thumbnails track: what of which sheet to show from when to when. */
export const vttOf = (plan: Plan, sheets: ReadonlyArray<TileTimes>): string => {
  const tiles = sheets.flatMap((times, sheet) => times.map((start, place) => ({ start, sheet, place })))
  const cues = tiles.map(({ place, sheet, start }, i) => {
    // The first one is shown from the beginning, wherever the first keyframe is.
    const from = i === 0 ? 0 : start
    const end = tiles[i + 1]?.start ?? Math.max(plan.durationSeconds, from + 0.001)
    const { height, width } = plan.tile
    const x = (place % plan.columns) * width
    const y = Math.floor(place / plan.columns) * height
    return `${timestamp(from)} --> ${timestamp(end)}\nstoryboard-${sheet}.webp#xywh=${x},${y},${width},${height}\n`
  })
  return `WEBVTT\n\n${cues.join("\n")}`
}
