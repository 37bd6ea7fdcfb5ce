import { spawnSync } from "node:child_process"
import { closeSync, openSync, statSync, truncateSync, writeSync } from "node:fs"

/** Media made by ffmpeg, and made larger. */

export const ffmpeg = (args: ReadonlyArray<string>): void => {
  const command = process.env["FFMPEG_PATH"] ?? "ffmpeg"
  const result = spawnSync(command, ["-v", "error", "-y", ...args], { encoding: "utf8" })
  if (result.status !== 0) throw new Error(`ffmpeg failed: ${result.error?.message ?? result.stderr}`)
}

/** Two seconds of H.264 in a playable MP4 of some hundred kilobytes. */
export const clip = (path: string): void =>
  ffmpeg([
    ..."-f lavfi -i testsrc2=size=640x360:rate=24:duration=2 -c:v libx264 -preset veryfast".split(" "),
    ..."-pix_fmt yuv420p -movflags +faststart -f mp4".split(" "),
    path
  ])

/**
 * Makes an MP4 exactly `bytes` long with a box that players skip (`free`, ISO/IEC 14496-12, 8.1.2): valid, and what is in
 * the box costs no disk unless `fill` gives it bytes.
 */
export const pad = (path: string, bytes: number, fill?: (at: number, size: number) => Buffer): void => {
  const from = statSync(path).size
  const header = Buffer.alloc(16)
  // Size 1: the size follows as 64 bits.
  header.writeUInt32BE(1, 0)
  header.write("free", 4, "latin1")
  header.writeBigUInt64BE(BigInt(bytes - from), 8)
  const fd = openSync(path, "r+")
  writeSync(fd, header, 0, header.length, from)
  if (fill !== undefined) {
    const step = 4 * 2 ** 20
    for (let at = from + header.length; at < bytes; at += step) {
      const chunk = fill(at, Math.min(step, bytes - at))
      writeSync(fd, chunk, 0, chunk.length, at)
    }
  }
  closeSync(fd)
  truncateSync(path, bytes)
}
