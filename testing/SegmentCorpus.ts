import * as Effect from "effect/Effect"

import { make } from "./TestMedia.ts"

/**
 * Files that segments are made from: every container, codec and layout that this ffmpeg can write, each long enough for
 * several segments and as small as that allows.
 */

const video = "-f lavfi -i testsrc2=size=160x90:rate=25:duration=15"
const sound = "-f lavfi -i sine=frequency=440:sample_rate=48000:duration=15"
const other = "-f lavfi -i sine=frequency=880:sample_rate=44100:duration=15"
const x264 = "-c:v libx264 -preset ultrafast -pix_fmt yuv420p -sc_threshold 0 -g 50"
const reordered = `${x264} -bf 3 -x264-params b-pyramid=normal`
const aac = "-c:a aac -b:a 64k"

/** Options by the name of the file, whose extension is its container. `@name` is the path of another of them. */
const commands = {
  "h264-start.mp4": `${video} ${sound} ${reordered} ${aac} -movflags +faststart`,
  "h264-end.mp4": "-i @h264-start.mp4 -c copy",
  "h264.mov": "-i @h264-start.mp4 -c copy",
  "h264-no-sound.mp4": "-i @h264-start.mp4 -c copy -an",
  "h264-baseline.mp4": `${video} ${sound} ${x264} -profile:v baseline ${aac}`,
  "negative-offsets.mp4": "-i @h264-start.mp4 -c copy -movflags +negative_cts_offsets",
  "turned.mp4": "-i @h264-start.mp4 -c copy -metadata:s:v rotate=90",
  "fragments.mp4": "-i @h264-start.mp4 -c copy -movflags +frag_keyframe+empty_moov+default_base_moof",
  "fragments-after-samples.mp4": "-i @h264-start.mp4 -c copy -movflags +frag_keyframe",
  "fragments-every-second.mp4": "-i @h264-start.mp4 -c copy -movflags +empty_moov+delay_moov -frag_duration 1000000",
  "fragments-with-sidx.mp4":
    "-i @h264-start.mp4 -c copy -movflags +frag_keyframe+empty_moov+delay_moov+default_base_moof+global_sidx",
  "open-gop.mp4": `${video} ${sound} ${x264} -bf 3 -x264-params open-gop=1 ${aac}`,
  "long-gop.mp4": `-f lavfi -i testsrc2=size=160x90:rate=25:duration=30 ${x264} -bf 3 -g 1000`,
  "uneven-gop.mp4": `${video} ${sound} ${x264} -g 1000 -force_key_frames 0,0.8,3,3.2,9,12.04 ${aac}`,
  "variable-rate.mp4": `${video} ${sound} -vf select=lt(t\\,4)+not(mod(n\\,3)) -vsync vfr ${reordered} ${aac}`,
  "late-sound.mp4": `${video} -itsoffset 2 ${sound} -map 0 -map 1 ${x264} ${aac} -t 15`,
  "late-picture.mp4": "-itsoffset 2 -i @h264-baseline.mp4 -i @h264-baseline.mp4 -map 0:v -map 1:a -c copy",
  "long-sound.mp4": `${video} -f lavfi -i sine=sample_rate=48000:duration=22 ${x264} ${aac}`,
  "short-sound.mp4": `${video} -f lavfi -i sine=sample_rate=48000:duration=4 ${x264} ${aac}`,
  "two-languages.mp4": `${video} ${sound} ${other} -map 0 -map 1 -map 2 ${reordered} ${aac} -metadata:s:a:0 language=eng -metadata:s:a:1 language=fra`,
  "two-languages.mov": "-i @two-languages.mp4 -map 0 -c copy",
  "two-codecs.mp4": `${video} ${sound} ${other} -map 0 -map 1 -map 2 ${x264} -c:a:0 aac -c:a:1 ac3`,
  "hevc.mp4": `${video} ${sound} -c:v libx265 -preset ultrafast -x265-params log-level=none:keyint=50 ${aac}`,
  "hevc-hvc1.mp4": "-i @hevc.mp4 -c copy -tag:v hvc1",
  "hevc-ten-bits.mp4": `${video} -c:v libx265 -preset ultrafast -pix_fmt yuv420p10le -x265-params log-level=none:keyint=50 -tag:v hvc1`,
  "vp9-opus.mp4": `${video} ${sound} -c:v libvpx-vp9 -deadline realtime -cpu-used 8 -g 50 -c:a libopus`,
  "av1-flac.mp4": `${video} ${sound} -c:v libaom-av1 -cpu-used 8 -usage realtime -g 50 -c:a flac -strict -2`,
  "h264-mp3.mp4": `${video} ${sound} ${x264} -c:a libmp3lame`,
  "aac.m4a": `${sound} ${aac}`,
  "aac-start.m4a": `${other} ${aac} -movflags +faststart`,
  "alac.m4a": `${sound} -c:a alac`,
  "flac-24.mp4":
    "-f lavfi -i anoisesrc=sample_rate=96000:duration=13:amplitude=0.01 -c:a flac -sample_fmt s32 -bits_per_raw_sample 24 -strict -2",
  "opus.mp4": `${sound} -c:a libopus`,
  "mp3.mp4": `${sound} -c:a libmp3lame`,
  "mp3.mov": `${other} -c:a libmp3lame`,
  "ac3.mp4": `${sound} -c:a ac3`,
  "eac3.mp4": `${sound} -c:a eac3`,
  "h264.mkv": "-i @h264-start.mp4 -c copy",
  "h264-cues-first.mkv": "-i @h264-start.mp4 -c copy -cues_to_front 1",
  "h264-live.mkv": "-i @h264-start.mp4 -c copy -live 1",
  "h264-small-clusters.mkv": "-i @h264-start.mp4 -c copy -cluster_time_limit 400",
  "h264-no-sound.mkv": "-i @h264-start.mp4 -c copy -an",
  "open-gop.mkv": "-i @open-gop.mp4 -c copy",
  "uneven-gop.mkv": "-i @uneven-gop.mp4 -c copy",
  "variable-rate.mkv": "-i @variable-rate.mp4 -c copy",
  "late-sound.mkv": "-i @late-sound.mp4 -c copy",
  "late-picture.mkv": "-i @late-picture.mp4 -c copy",
  "long-sound.mkv": "-i @long-sound.mp4 -c copy",
  "short-sound.mkv": "-i @short-sound.mp4 -c copy",
  "two-languages.mkv": "-i @two-languages.mp4 -map 0 -c copy",
  "two-codecs.mkv": "-i @two-codecs.mp4 -map 0 -c copy",
  "hevc.mkv": "-i @hevc.mp4 -c copy",
  "hevc-ten-bits.mkv": "-i @hevc-ten-bits.mp4 -c copy",
  "vp9-opus.webm": "-i @vp9-opus.mp4 -c copy",
  "vp9-opus-live.webm": "-i @vp9-opus.mp4 -c copy -live 1",
  "vp8-opus.webm": `${video} ${sound} -c:v libvpx -deadline realtime -cpu-used 8 -g 50 -c:a libopus`,
  "av1-flac.mkv": "-i @av1-flac.mp4 -c copy",
  "h264-mp3.mkv": "-i @h264-mp3.mp4 -c copy",
  "h264-ac3.mkv": `${video} ${sound} ${x264} -c:a ac3`,
  "aac.mka": "-i @aac.m4a -c copy",
  "opus.webm": `${sound} -c:a libopus`,
  "flac-24.mka": "-i @flac-24.mp4 -c copy",
  "alac.mka": "-i @alac.m4a -c copy",
  "mp3.mka": "-i @mp3.mp4 -c copy",
  "eac3.mka": "-i @eac3.mp4 -c copy",
  "constant.mp3": `${sound} -c:a libmp3lame -b:a 128k`,
  "variable.mp3": `${other} -c:a libmp3lame -q:a 4 -metadata title=Tone -write_id3v1 1`,
  "half-rate.mp3": `${sound} -c:a libmp3lame -ar 22050 -ac 1 -write_xing 0`,
  "aac.aac": "-i @aac.m4a -c copy",
  "adts.m4a": "-i @aac.aac -c copy",
  "flac.flac": `${sound} -c:a flac`,
  "flac-24.flac": "-i @flac-24.mp4 -c copy",
  "opus.opus": `${sound} -c:a libopus`,
  "opus-mono.ogg": `${sound} -ac 1 -c:a libopus -frame_duration 60`
} as const

export type Name = keyof typeof commands
export const names = Object.keys(commands).filter((name): name is Name => name in commands)

/** The path of a file of the corpus, made when it is first asked for. */
export const file: (name: Name) => Effect.Effect<string> = Effect.fnUntraced(function* (name: Name) {
  const words = yield* Effect.forEach(commands[name].split(" "), (word) => {
    const source = names.find((name) => word === `@${name}`)
    return source === undefined ? Effect.succeed(word) : file(source)
  })
  return yield* make(name.split(".").at(-1) ?? "mp4", words)
})
