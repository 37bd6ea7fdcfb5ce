import { join } from "node:path"

import { ffmpeg } from "./Media.ts"

const video = (size: string, seconds: number) => `-f lavfi -i testsrc2=size=${size}:rate=25:duration=${seconds}`
const sound = (seconds: number) => `-f lavfi -i sine=frequency=440:sample_rate=48000:duration=${seconds}`
const x264 = "-c:v libx264 -preset veryfast -pix_fmt yuv420p -g 50"
const picture = (size: string) => `-f lavfi -i testsrc2=size=${size}:rate=1,noise=alls=8 -frames:v 1`

/** What lies in people's libraries, short. Every second one has a moving picture, every fourth sound alone. */
const kinds: ReadonlyArray<readonly [name: string, args: string]> = [
  ["phone.mp4", `${video("1920x1080", 6)} ${sound(6)} ${x264} -c:a aac -shortest`],
  ["song.mp3", `${sound(30)} -c:a libmp3lame -metadata title=Song -metadata artist=Band`],
  ["web.mp4", `${video("1280x720", 8)} ${sound(8)} ${x264} -c:a aac -movflags +faststart -shortest`],
  ["photo.jpg", picture("4032x3024")],
  ["rip.mkv", `${video("1920x1080", 8)} ${sound(8)} ${x264} -c:a aac -shortest`],
  ["song.flac", `${sound(30)} -c:a flac -metadata title=Song`],
  [
    "clip.webm",
    `${video("854x480", 6)} ${sound(6)} -c:v libvpx-vp9 -deadline realtime -cpu-used 8 -c:a libopus -shortest`
  ],
  ["screen.png", picture("1920x1080")],
  ["camera.mov", `${video("1920x1080", 6)} ${sound(6)} ${x264} -c:a aac -shortest`],
  ["song.m4a", `${sound(30)} -c:a aac -metadata title=Song`],
  ["new.mp4", `${video("1280x720", 4)} -c:v libx265 -preset ultrafast -x265-params log-level=none -tag:v hvc1`],
  ["small.webp", picture("1280x853")]
]

/** Makes one file of each kind, and gives their paths. */
export const masters = (folder: string): ReadonlyArray<string> =>
  kinds.map(([name, args]) => {
    const path = join(folder, name)
    ffmpeg([...args.split(" "), path])
    return path
  })

/** A gigabyte of MP4 with an index as long as films have: noise over a picture, which no encoder makes small, over and over. */
export const large = (path: string, index: "beginning" | "end"): void => {
  const part = `${path}.part.mp4`
  ffmpeg([
    ..."-f lavfi -i testsrc2=size=1280x720:rate=25:duration=10,noise=alls=80:allf=t".split(" "),
    ..."-f lavfi -i sine=frequency=440:sample_rate=48000:duration=10 -c:v libx264 -preset ultrafast".split(" "),
    ..."-pix_fmt yuv420p -b:v 40M -maxrate 40M -bufsize 40M -g 100 -c:a aac -shortest".split(" "),
    part
  ])
  const flags = index === "beginning" ? ["-movflags", "+faststart"] : []
  ffmpeg(["-stream_loop", "19", "-i", part, "-c", "copy", ...flags, path])
}
