/** What a client gets as a problem document (RFC 9457). */
export class Problem extends Error {
  readonly statusCode: number
  readonly body: Readonly<Record<string, unknown>>

  constructor(status: number, name: string, title: string, more: Readonly<Record<string, unknown>> = {}) {
    super(title)
    this.statusCode = status
    this.body = { ...more, type: `urn:joy:${name}`, title, status }
  }
}

export const unauthenticated = () => new Problem(401, "unauthenticated", "A valid access token or API key is needed")
