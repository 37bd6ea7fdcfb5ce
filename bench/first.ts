/**
 * The first playlists and the first segment of a film that nobody has played yet, from a store that takes 20 ms for each read.
 *
 * In this process, over a store without local files, as S3 is one: what it reads is what it would ask for.
 */
import { rmSync } from "node:fs"
import { join } from "node:path"

import { atMost, figure, print, progress } from "./lib/Figures.ts"
import { film } from "./lib/Film.ts"
import { withFolder } from "./lib/Folder.ts"
import { firstPlay } from "./lib/Packaging.ts"

const runs = 7
const delay = 20

const layouts: Readonly<Record<string, readonly [file: string, ...options: ReadonlyArray<string>]>> = {
  "MP4, index at the beginning": ["start.mp4", "-movflags", "+faststart"],
  "MP4, index at the end": ["end.mp4"],
  Matroska: ["film.mkv"]
}

await withFolder(async (folder) => {
  for (const [name, [file, ...options]] of Object.entries(layouts)) {
    progress(`${name}: ten minutes of 1080p`)
    film(join(folder, file), ...options)
    const millis: Array<number> = []
    const reads: Array<number> = []
    const mebibytes: Array<number> = []
    // The first run is the compiler's, once.
    for (let run = 0; run <= runs; run++) {
      const derived = join(folder, `derived-${run}`)
      const played = await firstPlay(join(folder, file), derived, delay)
      rmSync(derived, { recursive: true, force: true })
      if (run === 0 && file === "start.mp4") continue
      millis.push(played.millis)
      reads.push(played.reads)
      mebibytes.push(played.bytes / 2 ** 20)
    }
    figure(`${name}: until the first segment is there`, millis, "ms", atMost(250))
    figure(`${name}: reads of the object`, reads, "", atMost(5))
    figure(`${name}: bytes read`, mebibytes, "MiB")
  }
  print(`first: ten minutes of 1080p, never played, ${delay} ms added to each read`)
})
