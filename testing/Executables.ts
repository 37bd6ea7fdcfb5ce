import { accessSync, constants, existsSync, readdirSync, statSync } from "node:fs"
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

/** The library that gives one process another clock (`LD_PRELOAD`), where it is installed: Debian calls it `faketime`. */
export const faketime = (): string | null =>
  (existsSync("/usr/lib") ? readdirSync("/usr/lib") : [])
    .map((folder) => join("/usr/lib", folder, "faketime", "libfaketimeMT.so.1"))
    .find((path) => existsSync(path)) ?? null

/** The browser that tests use: `CHROMIUM_PATH`, or the one on `PATH`. */
export const chromium = (): string | null =>
  process.env["CHROMIUM_PATH"] ??
  ["chromium", "chromium-browser", "google-chrome"].map(findOnPath).find((path) => path !== null) ??
  null
