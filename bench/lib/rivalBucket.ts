import { createServer } from "node:http"

import { GetObjectCommand, HeadObjectCommand } from "@aws-sdk/client-s3"

import { clientOf } from "./Gateway.ts"

/**
 * What `range` is compared with in a bucket: an object in single ranges, by the SDK's GetObject piped to the answer of bare
 * node:http. No accounts, no validators, nothing else. Its arguments are endpoint, bucket and key; prints its port.
 */
const [endpoint = "", Bucket = "", Key = ""] = process.argv.slice(2)
const client = clientOf(endpoint)
const { ContentLength: size = 0 } = await client.send(new HeadObjectCommand({ Bucket, Key }))

const server = createServer((request, response) => {
  const match = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? "")
  const start = Number(match?.[1] ?? 0)
  const end = Math.min(Number(match?.[2] ?? size - 1), size - 1)
  const send = async () => {
    const { Body } = await client.send(new GetObjectCommand({ Bucket, Key, Range: `bytes=${start}-${end}` }))
    response.writeHead(206, {
      "content-type": "video/mp4",
      "content-length": end + 1 - start,
      "content-range": `bytes ${start}-${end}/${size}`
    })
    // In Node.js it is a stream of Node.js.
    if (Body !== undefined && "pipe" in Body) Body.pipe(response)
  }
  send().catch(() => response.destroy())
})
server.listen(0, "127.0.0.1", () => {
  const address = server.address()
  console.log(typeof address === "object" && address !== null ? address.port : "")
})
