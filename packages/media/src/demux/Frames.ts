import {
  BufferTarget,
  EncodedPacket,
  EncodedPacketSink,
  EncodedVideoPacketSource,
  MkvOutputFormat,
  Output,
  type VideoCodec
} from "mediabunny"

import { open } from "./Demux.ts"
import type { DemuxFrames, DemuxKind, ReadBytes } from "./DemuxMessages.ts"

/** A video of these frames, one a second. */
export const writeFrames = async (
  packets: ReadonlyArray<Uint8Array>,
  codec: VideoCodec,
  decoderConfig: VideoDecoderConfig
): Promise<Uint8Array> => {
  const target = new BufferTarget()
  const output = new Output({ format: new MkvOutputFormat(), target })
  const source = new EncodedVideoPacketSource(codec)
  output.addVideoTrack(source)
  await output.start()
  for (const [i, data] of packets.entries()) {
    await source.add(new EncodedPacket(data, "key", i, 1), { decoderConfig })
  }
  await output.finalize()
  return new Uint8Array(target.buffer ?? new ArrayBuffer())
}

/** Takes keyframes out of the first video: reads these and the index, and nothing between. */
export const frames = async (
  read: ReadBytes,
  wanted: {
    readonly kind: DemuxKind
    readonly sizeBytes: number
    readonly seconds: ReadonlyArray<number>
    readonly mostBytes: number
  }
): Promise<DemuxFrames | null> => {
  const track = await open(read, wanted.kind, wanted.sizeBytes).getPrimaryVideoTrack()
  const codec = track === null ? null : await track.getCodec()
  const decoderConfig = track === null ? null : await track.getDecoderConfig()
  if (track === null || codec === null || decoderConfig === null) return null
  const sink = new EncodedPacketSink(track)
  const packets: Array<Uint8Array> = []
  const seconds: Array<number> = []
  let bytes = 0
  for (const time of wanted.seconds) {
    const packet = (await sink.getKeyPacket(time)) ?? (await sink.getFirstKeyPacket())
    if (packet === null || packet.timestamp === seconds.at(-1)) continue
    if (bytes + packet.byteLength > wanted.mostBytes) break
    bytes += packet.byteLength
    packets.push(packet.data)
    seconds.push(packet.timestamp)
  }
  // Nothing says how long the last one is shown, but one behind it.
  const all = [...packets, ...packets.slice(-1)]
  return all.length === 0 ? null : { bytes: await writeFrames(all, codec, decoderConfig), seconds }
}
