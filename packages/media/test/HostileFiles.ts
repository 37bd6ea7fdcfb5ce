import { crc32 } from "node:zlib"

import { box } from "./Mp4Boxes.ts"

/** An MP4 that declares this many tracks and nothing about them. */
export const manyTracks = (count: number): Uint8Array => {
  const handler = box("hdlr", Buffer.from("\0\0\0\0\0\0\0\0soun\0\0\0\0\0\0\0\0\0\0\0\0\0", "latin1"))
  const tracks = Array.from({ length: count }, () => box("trak", box("mdia", handler)))
  return Buffer.concat([box("ftyp", Buffer.from("isom\0\0\0\0", "latin1")), box("moov", ...tracks)])
}

/** An element of EBML whose size takes four bytes. */
const element = (id: number, ...parts: ReadonlyArray<Uint8Array>): Uint8Array => {
  const body = Buffer.concat(parts)
  const digits = id.toString(16)
  const size = Buffer.alloc(4)
  size.writeUInt32BE(body.length + 0x1000_0000)
  return Buffer.concat([Buffer.from(digits.padStart(digits.length + (digits.length % 2), "0"), "hex"), size, body])
}

/** A Matroska file that declares this many tracks and nothing about them. */
export const manyEntries = (count: number): Uint8Array => {
  const entry = element(0xae, element(0xd7, Buffer.from([1])), element(0x83, Buffer.from([2])))
  return Buffer.concat([
    element(0x1a45dfa3, element(0x4282, Buffer.from("matroska"))),
    element(0x18538067, element(0x1654ae6b, ...Array.from({ length: count }, () => entry)))
  ])
}

/** A chunk of PNG. */
const chunk = (type: string, body: Buffer) => {
  const data = Buffer.concat([Buffer.from(type, "latin1"), body])
  const whole = Buffer.alloc(data.length + 8)
  whole.writeUInt32BE(body.length)
  data.copy(whole, 4)
  whole.writeUInt32BE(crc32(data), data.length + 4)
  return whole
}

/** A PNG of a few bytes that declares these pixels. */
export const declaredPng = (width: number, height: number): Uint8Array => {
  const header = Buffer.alloc(13)
  header.writeUInt32BE(width)
  header.writeUInt32BE(height, 4)
  header.set([8, 2, 0, 0, 0], 8)
  const signature = Buffer.from("\x89PNG\r\n\x1a\n", "latin1")
  return Buffer.concat([
    signature,
    chunk("IHDR", header),
    chunk("IDAT", Buffer.alloc(0)),
    chunk("IEND", Buffer.alloc(0))
  ])
}

/** Seven bits a byte. */
export const id3Size = (n: number): Uint8Array =>
  Buffer.from([(n >> 21) & 127, (n >> 14) & 127, (n >> 7) & 127, n & 127])

export const hls = (target: string) => `#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n${target}\n#EXT-X-ENDLIST\n`

export const disguises: ReadonlyArray<readonly [name: string, text: (url: string, file: string) => string]> = [
  ["an HLS playlist of an address", (url) => hls(url)],
  ["an HLS playlist of a file", (_, file) => hls(file)],
  ["an HLS playlist of a file: address", (_, file) => hls(`file://${file}`)],
  ["an HLS playlist through concat:", (url, file) => hls(`concat:${url}|${file}`)],
  ["an HLS playlist through subfile", (_, file) => hls(`subfile,,start,0,end,1000,,:${file}`)],
  [
    "an HLS key at an address",
    (url, file) => hls(file).replace("#EXTINF", `#EXT-X-KEY:METHOD=AES-128,URI="${url}"\n#EXTINF`)
  ],
  ["an ffconcat script", (_, file) => `ffconcat version 1.0\nfile '${file}'\n`],
  ["an ffconcat script of an address", (url) => `ffconcat version 1.0\nfile '${url}'\n`],
  [
    "a DASH manifest",
    (url) =>
      `<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" mediaPresentationDuration="PT2S"><BaseURL>${url}</BaseURL><Period><AdaptationSet mimeType="video/mp4"><Representation id="1" bandwidth="1"><SegmentList duration="2"><Initialization sourceURL="init.mp4"/><SegmentURL media="${url}"/></SegmentList></Representation></AdaptationSet></Period></MPD>`
  ],
  [
    "an SDP description",
    () =>
      "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\na=rtpmap:96 H264/90000\n"
  ],
  [
    "an SVG with a picture",
    (url, file) =>
      `<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"><image xlink:href="${url}"/><image xlink:href="file://${file}"/></svg>`
  ],
  ["an M3U list", (url) => `#EXTM3U\n${url}\n`],
  ["an address of subfile", (_, file) => `subfile,,start,0,end,1000,,:${file}`],
  ["a list of pictures", (_, file) => `file:${file}%03d.jpg`],
  ["a playlist behind bytes of a container", (url) => `\0\0\0\x08free${hls(url)}`],
  ["a playlist in the clothes of a song", (url) => `ID3\x04\0\0\0\0\0\0${hls(url)}`]
]
