import { execFileSync, spawnSync } from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"

import { ObjectKey, type StoredObject } from "@joy/domain/StoredObject"
import * as FolderStore from "@joy/storage/FolderStore"
import type { ObjectStore } from "@joy/storage/ObjectStore"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import sharp, { type Sharp } from "sharp"

/** Without ffmpeg nothing can be made to be read. */
export const hasFfmpeg =
  spawnSync("ffmpeg", ["-version"]).status === 0 && spawnSync("ffprobe", ["-version"]).status === 0

if (!hasFfmpeg && process.env["JOY_TEST_NO_SKIP"] === "1") throw new Error("ffmpeg is not installed")

/** Goes into the name of every suite that needs it, so that a run says what it left out and why. */
export const needsFfmpeg = hasFfmpeg ? "" : " (skipped: ffmpeg is not installed)"

/** A folder of media, each made when it is first asked for, all gone afterwards. */
export class Library extends Context.Service<
  Library,
  {
    readonly folder: string
    readonly store: ObjectStore
    readonly object: (name: string) => Effect.Effect<StoredObject>
  }
>()("@joy/media/test/Library") {}

const video = "-f lavfi -i testsrc2=size=320x180:rate=25:duration=2"
const sound = "-f lavfi -i sine=frequency=440:sample_rate=44100:duration=2"
const x264 = "-c:v libx264 -preset ultrafast -pix_fmt yuv420p"

/** Name and arguments; an input that is itself a name here is made first. */
const commands: ReadonlyMap<string, string> = new Map([
  [
    "h264.mp4",
    `${video} ${sound} ${x264} -c:a aac -shortest -movflags +faststart -metadata title=Title -metadata creation_time=2024-05-06T07:08:09Z`
  ],
  ["end.mp4", `-f lavfi -i testsrc2=size=320x180:rate=30000/1001:duration=2 ${sound} ${x264} -c:a aac -shortest`],
  ["end.mov", "-i end.mp4 -c copy -f mov"],
  ["fragmented.mp4", "-i h264.mp4 -c copy -movflags +frag_keyframe+empty_moov"],
  ["h264.mkv", "-i h264.mp4 -c copy"],
  ["ten.mkv", `${video} -c:v libx264 -preset ultrafast -pix_fmt yuv420p10le`],
  [
    "hevc.mp4",
    `${video} ${sound} -c:v libx265 -preset ultrafast -x265-params log-level=none -tag:v hvc1 -c:a aac -shortest`
  ],
  ["vp9.webm", `${video} ${sound} -c:v libvpx-vp9 -deadline realtime -cpu-used 8 -c:a libopus -shortest`],
  ["av1.mp4", "-f lavfi -i testsrc2=size=320x180:rate=25:duration=0.4 -c:v libaom-av1 -cpu-used 8 -usage realtime"],
  // With the screen's data in the pictures alone, as encoders write it.
  [
    "pq.mp4",
    `${video} -c:v libx265 -preset ultrafast -pix_fmt yuv420p10le -tag:v hvc1 -color_primaries bt2020 -color_trc smpte2084 -colorspace bt2020nc -x265-params log-level=none:hdr10=1:colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc:master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50):max-cll=1000,400`
  ],
  [
    "hlg.mkv",
    `${video} -c:v libx265 -preset ultrafast -pix_fmt yuv420p10le -color_primaries bt2020 -color_trc arib-std-b67 -colorspace bt2020nc -x265-params log-level=none:colorprim=bt2020:transfer=arib-std-b67:colormatrix=bt2020nc`
  ],
  [
    "bt601.mp4",
    `${video} -vf setsar=16/11 ${x264} -color_range pc -colorspace smpte170m -color_primaries smpte170m -color_trc smpte170m`
  ],
  [
    "fields.mp4",
    "-f lavfi -i testsrc2=size=320x180:rate=50:duration=2 -vf tinterlace=interleave_bottom,fieldorder=bff -flags +ilme+ildct -c:v libx264 -preset ultrafast -x264opts bff=1 -pix_fmt yuv420p"
  ],
  [
    "uneven.mp4",
    `-f lavfi -i testsrc2=size=320x180:rate=30:duration=3 -vf select=lt(t\\,1)+not(mod(n\\,3)) -vsync vfr ${x264}`
  ],
  ["uneven.mkv", "-i uneven.mp4 -c copy"],
  ["gop.mp4", `-f lavfi -i testsrc2=size=320x180:rate=25:duration=6 ${x264} -force_key_frames 0,1,2.4,5`],
  ["gop.mkv", "-i gop.mp4 -c copy"],
  ["long.mp4", `-f lavfi -i testsrc2=size=64x36:rate=1:duration=1100 ${x264} -g 5`],
  // Noise, which no encoder makes small.
  [
    "heavy.mp4",
    `-f lavfi -i nullsrc=size=640x360:rate=25:duration=8,geq=random(1)*255:128:128 ${x264} -g 100 -b:v 20M`
  ],
  ["surround.m4a", "-f lavfi -i anoisesrc=duration=1 -ac 6 -c:a aac"],
  ["surround.opus", "-f lavfi -i anoisesrc=duration=1 -ac 6 -c:a libopus"],
  [
    "located.mov",
    `${video} ${x264} -movflags use_metadata_tags -metadata com.apple.quicktime.location.ISO6709=+48.8577+002.2950+035.000/`
  ],
  [
    "tracks.mkv",
    "-i h264.mp4 -i sub.srt -map 0:v -map 0:a -map 0:a -map 1 -c copy -c:s srt -metadata:s:a:0 language=eng -metadata:s:a:1 language=fra -disposition:a:0 default+original -disposition:a:1 comment+visual_impaired -metadata:s:a:1 title=Comments -disposition:s:0 forced+hearing_impaired -metadata:s:s:0 language=deu"
  ],
  ["rotated.mp4", "-i h264.mp4 -c copy -metadata:s:v rotate=90"],
  ["anamorphic.mp4", `${video} -vf setsar=4/3 ${x264}`],
  ["h264.avi", `${video} ${sound} -c:v mpeg4 -c:a libmp3lame -shortest`],
  ["h264.ts", "-i h264.mp4 -c copy"],
  ["wmv2.wmv", `${video} ${sound} -c:v wmv2 -c:a wmav2 -shortest`],
  ["mpeg4.mp4", `${video} -c:v mpeg4`],
  ["single.mp4", `-f lavfi -i testsrc2=size=320x180:rate=25:duration=0.04 ${x264}`],
  ["tenth.mp4", `-f lavfi -i testsrc2=size=320x180:rate=30:duration=0.1 ${x264}`],
  ["wide.mp4", `-f lavfi -i testsrc2=size=1440x810:rate=5:duration=1 ${x264}`],
  [
    "black.mp4",
    `-f lavfi -i color=black:size=320x180:rate=25:duration=1 ${video} -filter_complex [0][1]concat ${x264}`
  ],
  [
    "mp3.mp3",
    `${sound} -c:a libmp3lame -metadata title=Song -metadata artist=Band -metadata album=Disk -metadata track=3`
  ],
  ["cover.png", "-f lavfi -i testsrc2=size=600x600:rate=1 -frames:v 1"],
  ["whole.png", "-f lavfi -i testsrc2=size=512x384:rate=1 -frames:v 1 -vf crop=500:380:0:0"],
  ["cover.mp3", "-i mp3.mp3 -i cover.png -map 0 -map 1 -c copy -disposition:v attached_pic"],
  ["aac.m4a", `${sound} -c:a aac -metadata title=Song -metadata artist=Band`],
  ["cover.m4a", "-i aac.m4a -i cover.png -map 0 -map 1 -c copy -disposition:v attached_pic"],
  ["flac.flac", `${sound} -c:a flac -sample_fmt s16 -metadata title=Song -metadata artist=Band`],
  ["opus.opus", `${sound} -c:a libopus -metadata title=Song -metadata artist=Band`],
  ["vorbis.ogg", `${sound} -c:a libvorbis -metadata title=Song`],
  ["theora.ogv", `${video} -c:v libtheora`],
  ["pcm.wav", `${sound} -c:a pcm_s16le -metadata title=Song`],
  ["aac.aac", `${sound} -c:a aac`],
  [
    "chapters.mkv",
    "-i h264.mp4 -i sub.srt -i chapters.txt -map 0 -map 1 -map_metadata 2 -c copy -c:s srt -metadata:s:s language=eng"
  ],
  [
    "languages.mkv",
    "-i wide.mp4 -i sub.srt -i sub.ass -i sub.srt -map 0 -map 1 -map 2 -map 3 -c copy -metadata:s:s:0 language=eng -metadata:s:s:1 language=ger -disposition:s:1 forced -metadata:s:s:2 language=fra -disposition:s:2 hearing_impaired -metadata:s:s:2 title=For\\sall"
  ],
  ["subtitled.mp4", "-i h264.mp4 -i sub.srt -map 0 -map 1 -c copy -c:s mov_text -metadata:s:s language=deu"]
])

const subtitles = "1\n00:00:00,000 --> 00:00:01,000\nHello\n"
const assSubtitles =
  "[Script Info]\nScriptType: v4.00+\n\n[Events]\nFormat: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text\nDialogue: 0,0:00:00.50,0:00:01.50,Default,,0,0,0,,{\\i1}Hallo{\\i0}\n"
const chapters =
  ";FFMETADATA1\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=1000\ntitle=One\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=1000\nEND=2000\ntitle=Two\n"

const exif = {
  IFD0: { Make: "Joy", Model: "Kunga 1" },
  IFD2: { DateTimeOriginal: "2024:05:06 07:08:09", OffsetTimeOriginal: "+02:00" }
}

const place = {
  GPSLatitudeRef: "S",
  GPSLatitude: "33/1 51/1 2468/100",
  GPSLongitudeRef: "E",
  GPSLongitude: "151/1 12/1 5400/100"
}

const images: ReadonlyMap<string, (picture: Sharp) => Sharp> = new Map([
  ["exif.jpg", (picture) => picture.withMetadata({ orientation: 6 }).withExifMerge(exif).jpeg()],
  ["place.jpg", (picture) => picture.withExifMerge({ ...exif, IFD3: place }).jpeg()],
  ["alpha.png", (picture) => picture.ensureAlpha(0.5).png()],
  ["picture.webp", (picture) => picture.webp()],
  ["picture.gif", (picture) => picture.resize(100, 56, { fit: "fill" }).gif()],
  ["picture.avif", (picture) => picture.avif({ effort: 0 })],
  ["picture.tiff", (picture) => picture.tiff()]
])

const makeFile = async (folder: string, name: string): Promise<void> => {
  if (fs.existsSync(path.join(folder, name))) return
  const image = images.get(name)
  if (image !== undefined) {
    await makeFile(folder, "cover.png")
    const picture = sharp(fs.readFileSync(path.join(folder, "cover.png"))).resize(640, 360, { fit: "fill" })
    fs.writeFileSync(path.join(folder, name), await image(picture).toBuffer())
    return
  }
  const args = commands.get(name)?.split(" ") ?? []
  for (const arg of args) if (commands.has(arg)) await makeFile(folder, arg)
  if (args.length === 0) return
  execFileSync(
    "ffmpeg",
    ["-nostdin", "-loglevel", "error", "-y", ...args.map((arg) => arg.replace("\\s", " ")), name],
    { cwd: folder }
  )
}

const makeFolder = () => {
  // Ours alone (0700): what ffmpeg may read, it gets from us.
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "joy-media-"))
  fs.writeFileSync(path.join(folder, "sub.srt"), subtitles)
  fs.writeFileSync(path.join(folder, "sub.ass"), assSubtitles)
  fs.writeFileSync(path.join(folder, "chapters.txt"), chapters)
  return folder
}

export const layer = Layer.effect(
  Library,
  Effect.gen(function* () {
    const folder = yield* Effect.acquireRelease(Effect.sync(makeFolder), (folder) =>
      Effect.sync(() => fs.rmSync(folder, { recursive: true, force: true }))
    )
    const store = yield* FolderStore.make({ root: folder, readOnly: true })
    return Library.of({
      folder,
      store,
      object: Effect.fnUntraced(function* (name) {
        yield* Effect.promise(() => makeFile(folder, name))
        return yield* Effect.orDie(store.head(ObjectKey.make(name)))
      })
    })
  })
)

/** Puts bytes into the library under a name and gives the object. */
export const put = Effect.fnUntraced(function* (name: string, bytes: Uint8Array | string) {
  const library = yield* Library
  fs.writeFileSync(path.join(library.folder, name), bytes)
  return yield* library.object(name)
})

export const bytesOf = Effect.fnUntraced(function* (name: string) {
  const library = yield* Library
  yield* library.object(name)
  return fs.readFileSync(path.join(library.folder, name))
})
