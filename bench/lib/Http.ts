/** What benches read of answers; which of it is there depends on the answer. */
export interface Body {
  readonly type: string
  readonly user: { readonly id: string }
  readonly sessionId: string
  readonly accessToken: string
  readonly refreshToken: string
  readonly key: string
  readonly nextCursor: string | null
}

export interface Options {
  readonly token?: string
  readonly body?: unknown
}

/** One request as a program makes it. */
export const ask = async (base: string, method: "GET" | "POST", path: string, options: Options = {}) => {
  const response = await fetch(base + path, {
    method,
    headers: {
      ...(options.token === undefined ? {} : { authorization: `Bearer ${options.token}` }),
      ...(options.body === undefined ? {} : { "content-type": "application/json" })
    },
    ...(options.body === undefined ? {} : { body: JSON.stringify(options.body) })
  })
  const body: Body = JSON.parse(await response.text())
  return { status: response.status, body }
}

/** As `ask`, for an answer that must have a status. */
export const expect = async (status: number, ...request: Parameters<typeof ask>): Promise<Body> => {
  const answer = await ask(...request)
  if (answer.status !== status) {
    throw new Error(`${request.slice(1, 3).join(" ")}: ${answer.status} ${JSON.stringify(answer.body)}`)
  }
  return answer.body
}
