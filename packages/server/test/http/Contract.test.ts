import { assert, describe, it } from "@effect/vitest"
import { Api } from "@joy/domain/Api"
import { RateLimited } from "@joy/domain/RateLimited"
import * as OpenApi from "effect/http-api/OpenApi"

/** Routes that ask nobody who they are; of those below `/play` the path is the right. */
const open = [
  "GET /.well-known/jwks.json",
  "GET /health",
  "GET /health/live",
  "GET /health/ready",
  "GET /health/redis",
  "GET /play/:grant/content",
  "GET /play/:grant/hls/:rendition/:segment.m4s",
  "GET /play/:grant/hls/:rendition/:segment.mp3",
  "GET /play/:grant/hls/:rendition/index.m3u8",
  "GET /play/:grant/hls/:rendition/init.mp4",
  "GET /play/:grant/hls/main.m3u8",
  "GET /play/:grant/rendition.mp4",
  "GET /play/:grant/storyboard-:sheet.webp",
  "GET /play/:grant/storyboard.vtt",
  "GET /play/:grant/subtitles/:track.vtt",
  "GET /shares/:token",
  "POST /auth/login",
  "POST /auth/oauth/authorize",
  "POST /auth/oauth/callback",
  "POST /auth/oauth/exchange",
  "POST /auth/refresh",
  "POST /auth/register"
]
/** Of these, those that ask no database, or say in their own words that it is away. */
const withoutDatabase = new Set(["GET /.well-known/jwks.json", "GET /health/live"])

const endpoints = Object.values(Api.groups).flatMap((group) => Object.values(group.endpoints))
const nameOf = ({ method, path }: { readonly method: string; readonly path: string }) =>
  `${method} ${path.replace(/(.)\/$/, "$1")}`

const document = OpenApi.fromApi(Api)
const methods = ["get", "head", "post", "put", "patch", "delete"] as const
const operations = Object.entries(document.paths).flatMap(([path, item]) =>
  methods.flatMap((method) => {
    const operation = item[method]
    if (operation === undefined) return []
    const name = nameOf({ method: method.toUpperCase(), path: path.replace(/\{(\w+)\}/g, ":$1") })
    return [{ name, security: operation.security ?? [], responses: operation.responses }]
  })
)

describe("the OpenAPI document", () => {
  it("says of every route how to sign in, or that nobody need [C1]", () => {
    const unsecured = operations.filter(({ security }) => security.length === 0).map(({ name }) => name)
    assert.deepStrictEqual(unsecured.toSorted(), open)
    const schemes = Object.keys(document.components?.securitySchemes ?? {})
    for (const { name, security } of operations) {
      for (const scheme of security.flatMap((one) => Object.keys(one))) assert.include(schemes, scheme, name)
    }
  })

  it("tells of 401, 429 and 503 on the routes that answer them [L8]", () => {
    for (const { name, responses, security } of operations) {
      if (security.length > 0) assert.property(responses, "401", name)
      if (!withoutDatabase.has(name)) assert.property(responses, "503", name)
    }
    const limited = endpoints.filter(({ middlewares }) => middlewares.has(RateLimited)).map(nameOf)
    assert.deepStrictEqual(
      operations
        .filter(({ responses }) => "429" in responses)
        .map(({ name }) => name)
        .toSorted(),
      limited.toSorted()
    )
  })

  it("knows errors as problem documents alone [L8]", () => {
    for (const { name, responses } of operations) {
      for (const [status, response] of Object.entries(responses)) {
        if (Number(status) < 400) continue
        assert.deepStrictEqual(Object.keys(response.content ?? {}), ["application/problem+json"], `${name} ${status}`)
      }
    }
  })
})
