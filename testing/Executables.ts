import { accessSync, constants, statSync } from "node:fs"
import { delimiter, join } from "node:path"

const isExecutable = (path: string): boolean => {
  try {
    accessSync(path, constants.X_OK)
    return statSync(path).isFile()
  } catch {
    return false
  }
}

/** The full path of a program on `PATH`, or `null`. */
export const findOnPath = (name: string): string | null =>
  (process.env["PATH"] ?? "")
    .split(delimiter)
    .map((folder) => join(folder, name))
    .find(isExecutable) ?? null

/** The ffmpeg and ffprobe that tests use: `FFMPEG_PATH` and `FFPROBE_PATH`, or those on `PATH`. */
export const ffmpeg = (): string | null => process.env["FFMPEG_PATH"] ?? findOnPath("ffmpeg")
export const ffprobe = (): string | null => process.env["FFPROBE_PATH"] ?? findOnPath("ffprobe")
