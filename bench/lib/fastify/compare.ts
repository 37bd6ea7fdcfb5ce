import { deepStrictEqual } from "node:assert/strict"

import { ask, type Options } from "../Http.ts"

/** Asks joy and the rival the same and compares their answers: a server that is quick with another answer has won nothing. */
export interface Shown {
  /** Access token of the viewer, and an API key. */
  readonly token: string
  readonly key: string
  /** A refresh token that was not exchanged yet. */
  readonly refreshToken: string
  /** Items that the viewer sees, and one that is somebody else's. */
  readonly ids: ReadonlyArray<string>
  readonly hidden: string
}

/** What an access token says, but for what differs from one to the next. */
const claimsOf = (token: string): unknown => {
  const { aud, gen, iss, sid, sub } = JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString())
  return { aud, gen, iss, sid, sub }
}

export const compare = async (
  urls: { readonly ours: string; readonly theirs: string },
  shown: Shown
): Promise<void> => {
  const { hidden, ids, key, refreshToken, token } = shown
  const both = async (method: "GET" | "POST", path: string, options: Options, status: number) => {
    const ours = await ask(urls.ours, method, path, options)
    const theirs = await ask(urls.theirs, method, path, options)
    deepStrictEqual(
      [ours.status, theirs.status],
      [status, status],
      `${method} ${path}: ${JSON.stringify([ours, theirs])}`
    )
    return { ours: ours.body, theirs: theirs.body }
  }
  const same = async (path: string, credential: string) => {
    const { ours, theirs } = await both("GET", path, { token: credential }, 200)
    deepStrictEqual(ours, theirs)
    return ours
  }

  for (const credential of [token, key]) {
    let cursor = ""
    for (let page = 0; page < 3; page++) {
      cursor = `&cursor=${(await same(`/media?limit=50${cursor}`, credential)).nextCursor}`
    }
    for (const id of ids) await same(`/media/${id}`, credential)
  }
  for (const query of ["sort=title", "sort=-durationSeconds&tag=walks", "status=failed&limit=7", "owner=me"]) {
    await same(`/media?${query}`, token)
  }

  const refused: ReadonlyArray<readonly [number, "GET" | "POST", string, Options]> = [
    [404, "GET", `/media/${hidden}`, { token }],
    [400, "GET", "/media/nothing", { token }],
    [400, "GET", "/media?limit=0", { token }],
    [400, "GET", "/media?cursor=e30.made-up", { token }],
    [401, "GET", "/media", {}],
    [401, "GET", "/media", { token: `${token.slice(0, -8)}AAAAAAAA` }],
    [401, "GET", "/media", { token: `${key.slice(0, -8)}AAAAAAAA` }],
    [401, "POST", "/auth/refresh", { body: { refreshToken: refreshToken.replace(/[^.]{8}$/, "AAAAAAAA") } }],
    [400, "POST", "/auth/refresh", { body: { refreshToken: "x".repeat(300) } }]
  ]
  for (const [status, method, path, options] of refused) {
    const { ours, theirs } = await both(method, path, options, status)
    deepStrictEqual(ours.type, theirs.type, `${method} ${path}`)
  }

  // The second of two gets the same successor, so all but the access token can be compared.
  const { ours, theirs } = await both("POST", "/auth/refresh", { body: { refreshToken } }, 200)
  deepStrictEqual(
    { ...ours, accessToken: claimsOf(ours.accessToken) },
    { ...theirs, accessToken: claimsOf(theirs.accessToken) }
  )
}
