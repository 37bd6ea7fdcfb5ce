import { parentPort } from "node:worker_threads"

import { cover, probe } from "./Demux.ts"
import { type DemuxAnswer, type DemuxRequest, type ReadBytes, Refused } from "./DemuxMessages.ts"
import { frames } from "./Frames.ts"
import { heifTiles } from "./Heif.ts"

// The thread in which containers are taken apart. Its owner gives it bytes when it asks, and ends it when it takes too
// long: a file that makes a parser spin, or eat its memory, takes down this thread and nothing else.

const port = parentPort
const reads = new Map<number, { resolve: (bytes: Uint8Array) => void; reject: (error: Error) => void }>()
let lastRead = 0

const send = (answer: DemuxAnswer) => port?.postMessage(answer)

const read: ReadBytes = (start, end) =>
  new Promise((resolve, reject) => {
    const id = ++lastRead
    reads.set(id, { resolve, reject })
    send({ type: "read", id, start, end })
  })

const answer = async (request: Exclude<DemuxRequest, { type: "bytes" | "unreadable" }>): Promise<DemuxAnswer> => {
  try {
    switch (request.type) {
      case "probe":
        return { type: "report", report: await probe(read, request.kind, request.sizeBytes) }
      case "cover":
        return { type: "cover", cover: await cover(read, request.kind, request.sizeBytes) }
      case "frames":
        return { type: "frames", frames: await frames(read, request) }
      case "tiles":
        return { type: "tiles", tiles: await heifTiles(read, request.sizeBytes) }
    }
  } catch (error) {
    const reason = error instanceof Error ? error.message.slice(0, 300) : "unknown"
    return { type: error instanceof Refused ? "refused" : "unknown", reason }
  }
}

port?.on("message", (request: DemuxRequest) => {
  if (request.type !== "bytes" && request.type !== "unreadable") {
    void answer(request).then(send)
    return
  }
  const waiting = reads.get(request.id)
  reads.delete(request.id)
  if (request.type === "bytes") waiting?.resolve(request.bytes)
  else waiting?.reject(new Error("The object could not be read"))
})
