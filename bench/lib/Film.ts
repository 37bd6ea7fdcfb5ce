import { rmSync } from "node:fs"

import { ffmpeg } from "./Media.ts"

/** Ten minutes of 1080p at 4.2 Mbit/s, with sound: twelve seconds of it, over and over. */
export const film = (path: string, ...output: ReadonlyArray<string>): void => {
  const part = `${path}.part.mp4`
  ffmpeg([
    ..."-f lavfi -i testsrc2=size=1920x1080:rate=25:duration=12 -f lavfi -i sine=sample_rate=48000:duration=12".split(
      " "
    ),
    ..."-c:v libx264 -preset ultrafast -pix_fmt yuv420p -g 150 -keyint_min 150 -sc_threshold 0 -b:v 4M -minrate 4M".split(
      " "
    ),
    ..."-maxrate 4M -bufsize 4M -x264-params nal-hrd=cbr:filler=1 -c:a aac -b:a 160k -ac 2".split(" "),
    part
  ])
  ffmpeg(["-stream_loop", "49", "-i", part, "-c", "copy", ...output, path])
  rmSync(part)
}
