import { assert, describe, it } from "@effect/vitest"
import { type MediaStream, unknownStream } from "@joy/domain/MediaStream"
import * as Playability from "@joy/domain/Playability"

const stream = (type: MediaStream["type"], codec: string, more: Partial<MediaStream> = {}): MediaStream => ({
  ...unknownStream,
  index: 0,
  type,
  codec,
  ...more
})
const video = (codec: string, pixelFormat = "yuv420p") => stream("video", codec, { pixelFormat })
const audio = (codec: string, isDefault = false) => stream("audio", codec, { isDefault })

describe("what browsers play as it lies there", () => {
  for (const [name, type, container, streams, expected] of [
    ["H.264 and AAC in MP4", "video", "mp4", [video("h264"), audio("aac")], true],
    ["H.264 without sound", "video", "mp4", [video("h264")], true],
    ["H.264 of ten bits", "video", "mp4", [video("h264", "yuv420p10le"), audio("aac")], false],
    ["H.264 with full color", "video", "mp4", [video("h264", "yuv444p")], false],
    ["HEVC of ten bits", "video", "mp4", [video("hevc", "yuv420p10le"), audio("aac")], true],
    ["MPEG-4 ASP", "video", "mp4", [video("mpeg4"), audio("aac")], false],
    ["H.264 with AC-3", "video", "mp4", [video("h264"), audio("ac3")], false],
    ["H.264 with AC-3 beside AAC", "video", "mp4", [video("h264"), audio("ac3"), audio("aac", true)], true],
    ["H.264 in Matroska", "video", "matroska", [video("h264"), audio("aac")], false],
    ["H.264 in MOV", "video", "mov", [video("h264"), audio("aac")], false],
    ["VP9 and Opus in WebM", "video", "webm", [video("vp9"), audio("opus")], true],
    ["H.264 in MPEG-TS", "video", "mpegts", [video("h264"), audio("aac")], false],
    ["MPEG-4 ASP in AVI", "video", "avi", [video("mpeg4"), audio("mp3")], false],
    ["MP3", "audio", "mp3", [audio("mp3")], true],
    ["AAC in MP4", "audio", "mp4", [audio("aac")], true],
    ["ALAC in MP4", "audio", "mp4", [audio("alac")], false],
    ["FLAC", "audio", "flac", [audio("flac")], true],
    ["Opus in Ogg", "audio", "ogg", [audio("opus")], true],
    ["sixteen bits of PCM", "audio", "wav", [audio("pcm_s16le")], true],
    ["A-law", "audio", "wav", [audio("pcm_alaw")], false],
    ["a container without streams", "video", "mp4", [], false],
    ["JPEG", "image", "jpeg", [], true],
    ["HEIC", "image", "heif", [], false],
    ["what was not looked at yet", "video", null, [], false]
  ] as const) {
    it(`${expected ? "holds" : "does not hold"} for ${name}`, () => {
      assert.strictEqual(Playability.isDirect({ type, container, streams }), expected)
    })
  }
})

describe("what browsers play out of segments", () => {
  for (const [name, type, container, streams, expected] of [
    ["H.264 and AAC in Matroska", "video", "matroska", [video("h264"), audio("aac")], true],
    ["H.264 and AAC in AVI", "video", "avi", [video("h264"), audio("aac")], false],
    ["H.264 and AAC in MPEG-TS", "video", "mpegts", [video("h264"), audio("aac")], false],
    ["H.264 of ten bits", "video", "matroska", [video("h264", "yuv420p10le"), audio("aac")], false],
    ["H.264 with MP3", "video", "matroska", [video("h264"), audio("mp3")], true],
    ["H.264 with AC-3", "video", "matroska", [video("h264"), audio("ac3")], false],
    ["VP9 with Opus", "video", "matroska", [video("vp9"), audio("opus")], true],
    ["VP8", "video", "matroska", [video("vp8"), audio("vorbis")], false],
    ["MPEG-4 ASP", "video", "matroska", [video("mpeg4"), audio("aac")], false],
    ["AAC alone", "audio", "matroska", [audio("aac")], true],
    ["Vorbis", "audio", "matroska", [audio("vorbis")], false],
    ["a picture", "image", "matroska", [], false],
    ["nothing", "video", "matroska", [], false]
  ] as const) {
    it(`${expected ? "holds" : "does not hold"} for ${name}`, () => {
      assert.strictEqual(Playability.isSegmented({ type, container, streams }), expected)
    })
  }
})
