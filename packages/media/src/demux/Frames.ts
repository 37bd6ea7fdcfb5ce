import {
  BufferTarget,
  type EncodedPacket,
  EncodedPacketSink,
  EncodedVideoPacketSource,
  MkvOutputFormat,
  Output
} from "mediabunny"

import { open } from "./Demux.ts"
import type { DemuxFrames, DemuxKind, ReadBytes } from "./DemuxMessages.ts"

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
  const target = new BufferTarget()
  const output = new Output({ format: new MkvOutputFormat(), target })
  const source = new EncodedVideoPacketSource(codec)
  output.addVideoTrack(source)
  await output.start()

  const seconds: Array<number> = []
  let last: EncodedPacket | null = null
  const add = (packet: EncodedPacket) =>
    source.add(packet.clone({ timestamp: seconds.length, duration: 1 }), { decoderConfig })
  let bytes = 0
  for (const time of wanted.seconds) {
    const packet = (await sink.getKeyPacket(time)) ?? (await sink.getFirstKeyPacket())
    if (packet === null || packet.timestamp === seconds.at(-1)) continue
    if (bytes + packet.byteLength > wanted.mostBytes) break
    bytes += packet.byteLength
    await add(packet)
    seconds.push(packet.timestamp)
    last = packet
  }
  if (last === null) return null
  // Nothing says how long the last one is shown, but one behind it.
  await add(last)
  await output.finalize()
  return target.buffer === null ? null : { bytes: new Uint8Array(target.buffer), seconds }
}
