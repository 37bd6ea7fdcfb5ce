import { createReadStream, statSync } from "node:fs"
import { createServer } from "node:http"

/**
 * What `range` is compared with: the file of the first argument in single ranges, by `fs.createReadStream` in bare
 * node:http. No accounts, no validators, nothing else. Prints its port.
 */
const [path = ""] = process.argv.slice(2)
const { size } = statSync(path)

const server = createServer((request, response) => {
  const match = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? "")
  const start = Number(match?.[1] ?? 0)
  const end = Math.min(Number(match?.[2] ?? size - 1), size - 1)
  response.writeHead(206, {
    "content-type": "video/mp4",
    "content-length": end + 1 - start,
    "content-range": `bytes ${start}-${end}/${size}`
  })
  createReadStream(path, { start, end }).pipe(response)
})
server.listen(0, "127.0.0.1", () => {
  const address = server.address()
  console.log(typeof address === "object" && address !== null ? address.port : "")
})
