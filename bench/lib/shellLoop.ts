import { spawnSync } from "node:child_process"
import { mkdirSync } from "node:fs"

/** What people write who need no library: ffprobe and one thumbnail for each file, two files at a time. */
const script = `
name=$(basename "$1")
ffprobe -v error -of json -show_format -show_streams -show_chapters "$1" > "$2/$name.json"
case "$name" in
  *.jpg|*.png|*.webp) seek="" ;;
  *) seek="-ss 1" ;;
esac
ffmpeg -nostdin -v error -y $seek -i "$1" -frames:v 1 -vf "scale='min(640,iw)':-2" "$2/$name.jpg" 2>/dev/null
true
`

export const shellLoop = (files: string, output: string): { readonly seconds: number; readonly cpu: number } => {
  mkdirSync(output)
  const began = performance.now()
  const loop = `time find "$1" -type f -print0 | xargs -0 -P2 -I{} sh -c "$3" sh {} "$2"`
  const result = spawnSync("bash", ["-c", `TIMEFORMAT="%U %S"; ${loop}`, "bash", files, output, script], {
    encoding: "utf8"
  })
  if (result.status !== 0) throw new Error(`The loop failed: ${result.stderr}`)
  const [user = 0, system = 0] = (result.stderr.trim().split("\n").at(-1) ?? "").split(" ").map(Number)
  return { seconds: (performance.now() - began) / 1000, cpu: user + system }
}
