/** The largest answer that is read: discovery documents, key sets and tokens have a few thousand bytes. */
const maxBytes = 256 * 1024

const read = async (body: ReadableStream<Uint8Array>): Promise<Buffer> => {
  const chunks: Array<Uint8Array> = []
  let length = 0
  // Leaving the loop by an error cancels the stream.
  for await (const chunk of body) {
    length += chunk.length
    if (length > maxBytes) throw new Error("The provider's answer is too large")
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

/**
 * How providers are asked: no redirect is followed, for it could lead into our own network, and no more of an answer is
 * read than an honest one has. The time is bounded by who calls.
 */
export const providerFetch = async (url: string, options: object): Promise<Response> => {
  const response = await fetch(url, { ...options, redirect: "manual" })
  const body = response.body === null ? null : await read(response.body)
  return new Response(body, { status: response.status, headers: response.headers })
}
