import { copyFileSync, mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"

import { assert, layer } from "@effect/vitest"
import { Api } from "@joy/domain/Api"
import { MediaItemId, UserId } from "@joy/domain/Ids"
import { allPermissions, type Permission } from "@joy/domain/Permission"
import * as Joy from "@joy/testing/Joy"
import type * as JoyHttp from "@joy/testing/JoyHttp"
import * as JoyUp from "@joy/testing/JoyUp"
import { describeWith } from "@joy/testing/Needs"
import * as TestMedia from "@joy/testing/TestMedia"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as OpenApi from "effect/http-api/OpenApi"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"

/**
 * Who asks. `owner` is a viewer whose folder holds the private item, `viewer` is another one. `readKey` is an API key of
 * the owner with media:read alone, `adminKey` one of the administrator with every permission there is.
 */
const actors = ["anonymous", "owner", "viewer", "curator", "admin", "readKey", "adminKey"] as const
type Actor = (typeof actors)[number]

const people = ["owner", "viewer", "curator", "admin"] as const
type Person = (typeof people)[number]
const isPerson = (actor: Actor): actor is Person => people.some((person) => person === actor)

const keyOf = ({ client }: JoyUp.SignedIn, permissions: ReadonlyArray<Permission>) =>
  client.apiKeys.create({ payload: { name: "a key", permissions } }).pipe(
    Effect.map(({ key }) => Redacted.value(key)),
    Effect.orDie
  )

/** An installation with an item of everybody and one of the owner alone, and everyone signed in. */
class World extends Context.Service<
  World,
  {
    readonly up: JoyUp.JoyUp["Service"]
    readonly signedIn: Readonly<Record<Person, JoyUp.SignedIn>>
    /** What each shows. */
    readonly credentials: Readonly<Record<Actor, string | undefined>>
    /** The access token of a session that was ended. */
    readonly endedToken: string
    readonly sharedId: string
    readonly privateId: string
    readonly scanId: string
    /** Where a grant of the owner for the private item leads to. */
    readonly play: string
  }
>()("@joy/server/test/World") {
  static readonly layer = Layer.effect(
    World,
    Effect.gen(function* () {
      const up = yield* JoyUp.JoyUp
      const owner = yield* up.account("owner")
      const viewer = yield* up.account("viewer")
      const curator = yield* up.account("curator", ["curator"])
      const film = yield* TestMedia.video()
      const home = join(up.library, "users", owner.userId)
      mkdirSync(home, { recursive: true })
      copyFileSync(film, join(up.library, "shared.mp4"))
      copyFileSync(film, join(home, "film.mp4"))
      writeFileSync(join(home, "film.en.srt"), "1\n00:00:00,000 --> 00:00:01,000\nHello\n")
      const { scanId } = yield* Effect.orDie(up.admin.client.media.refresh({ query: {} }))
      const { items } = yield* Joy.until(
        Effect.orDie(up.admin.client.media.list({ query: {} })),
        ({ items }) => items.length === 2 && items.every(({ status }) => status === "ready")
      )
      const leaver = yield* up.signIn("owner", JoyUp.accountPassword)
      yield* Effect.orDie(leaver.client.auth.logout())
      const idOf = (key: string) => String(items.find(({ s3Key }) => s3Key === key)?.id)
      const privateId = idOf(`users/${owner.userId}/film.mp4`)
      const { progressive } = yield* Joy.until(
        Effect.orDie(owner.client.playback.prepare({ params: { id: MediaItemId.make(privateId) } })),
        ({ storyboard, subtitles }) => storyboard !== null && subtitles.length > 0
      )
      return {
        up,
        signedIn: { owner, viewer, curator, admin: up.admin },
        credentials: {
          anonymous: undefined,
          owner: owner.token,
          viewer: viewer.token,
          curator: curator.token,
          admin: up.admin.token,
          readKey: yield* keyOf(owner, ["media:read"]),
          adminKey: yield* keyOf(up.admin, allPermissions)
        },
        endedToken: leaver.token,
        sharedId: idOf("shared.mp4"),
        privateId,
        scanId,
        play: progressive.url.replace(/\/content$/, "")
      }
    })
  ).pipe(
    Layer.provide(
      JoyUp.JoyUp.layer({
        INGEST_INTERVAL: "1h",
        INGEST_EVENTS_SECRET: "a secret of the store's own",
        RATE_LIMITS: "off"
      })
    )
  )
}

interface Asked {
  readonly world: World["Service"]
  readonly actor: Actor
  /** A session that may be used up: of the actor, or of the owner for who has none. */
  readonly spare: JoyUp.SignedIn
  /** What the rule made to be asked for. */
  readonly madeId: string
}

interface Rule {
  /** For each of `actors`, in their order. */
  readonly statuses: readonly [number, number, number, number, number, number, number]
  readonly path?: (asked: Asked) => string
  readonly body?: (asked: Asked) => unknown
  /** Asks with the spare session: it is gone afterwards. */
  readonly spends?: boolean
  /** Ends the actor's other sessions too, with which others would ask: comes last. */
  readonly endsOthers?: boolean
  /** Makes what the path speaks of, anew for each actor, and gives its id. */
  readonly make?: (world: World["Service"], actor: Actor) => Effect.Effect<string>
}

const everybody = [200, 200, 200, 200, 200, 200, 200] as const
const signedIn = [401, 200, 200, 200, 200, 200, 200] as const
const ofTheItem = [401, 200, 404, 200, 200, 200, 200] as const
const administrators = (status: number) => [401, 403, 403, 403, status, 403, status] as const
const curators = (status: number) => [401, 403, 403, status, status, 403, status] as const
/** Keys are managed, and sessions ended, by who is signed in alone. */
const sessionsAlone = (status: number) => [401, status, status, status, status, 403, 403] as const

const newAccount = (prefix: string) => (asked: Asked) => ({
  username: `${prefix}-${asked.actor}`,
  email: `${prefix}-${asked.actor}@example.org`,
  password: JoyUp.accountPassword
})

const oauthCallback = () => ({ provider: "google", code: "a", state: "b", flowSecret: "c" })

const makeRole: Rule["make"] = ({ up }, actor) =>
  up.admin.client.roles.create({ payload: { name: `for-${actor}-${++made}`, permissions: [] } }).pipe(
    Effect.map(({ id }) => id),
    Effect.orDie
  )
const makeStranger: Rule["make"] = ({ up }) => Effect.map(up.account(`stranger-${++made}`), ({ userId }) => userId)
const makeKey: Rule["make"] = ({ signedIn }) =>
  signedIn.owner.client.apiKeys.create({ payload: { name: `key-${++made}`, permissions: [] } }).pipe(
    Effect.map(({ id }) => id),
    Effect.orDie
  )
const makeTag: Rule["make"] = ({ sharedId, up }) => {
  const tag = `tag-${++made}`
  return up.admin.client.mediaChanges
    .bulk({ payload: { action: "tag", tags: [tag], ids: [MediaItemId.make(sharedId)] } })
    .pipe(Effect.as(tag), Effect.orDie)
}
/** The private item, in the library or in the trash, wherever the actor before left it. */
const makeItem =
  (action: "trash" | "restore"): NonNullable<Rule["make"]> =>
  ({ privateId, up }) =>
    up.admin.client.mediaChanges
      .bulk({ payload: { action, ids: [MediaItemId.make(privateId)] } })
      .pipe(Effect.as(privateId), Effect.orDie)
const makeShare = ({ privateId, signedIn }: World["Service"]) =>
  Effect.orDie(signedIn.owner.client.shares.create({ params: { id: MediaItemId.make(privateId) }, payload: {} }))
let made = 0

/** Every route of the contract. A new one belongs here before it belongs anywhere. */
const rules: Readonly<Record<string, Rule>> = {
  "POST /auth/register": { statuses: [201, 201, 201, 201, 201, 201, 201], body: newAccount("registered") },
  "POST /auth/login": {
    statuses: everybody,
    body: () => ({ identifier: "owner", password: JoyUp.accountPassword })
  },
  "POST /auth/refresh": {
    statuses: everybody,
    body: ({ spare }) => ({ refreshToken: JoyUp.refreshTokenOf(spare.tokens) })
  },
  "POST /auth/logout": { statuses: sessionsAlone(204), spends: true },
  "POST /auth/logout-all": { statuses: sessionsAlone(204), spends: true, endsOthers: true },
  "POST /auth/password": {
    statuses: sessionsAlone(204),
    body: ({ actor, world }) => {
      const password = actor === "admin" ? world.up.password : JoyUp.accountPassword
      return { currentPassword: password, newPassword: password }
    },
    spends: true,
    endsOthers: true
  },
  // Without a provider nobody gets further than this; what follows has tests of its own.
  "POST /auth/oauth/authorize": {
    statuses: [404, 404, 404, 404, 404, 404, 404],
    body: () => ({ provider: "google", redirectUri: "https://app.example.org/signed-in" })
  },
  "POST /auth/oauth/callback": { statuses: [400, 400, 400, 400, 400, 400, 400], body: oauthCallback },
  "POST /auth/oauth/exchange": {
    statuses: [400, 400, 400, 400, 400, 400, 400],
    body: () => ({ code: "a", flowSecret: "b" })
  },
  "POST /auth/oauth/link": { statuses: sessionsAlone(400), body: oauthCallback },
  "GET /protected": { statuses: signedIn },
  "GET /.well-known/jwks.json": { statuses: everybody },
  "GET /users/me": { statuses: signedIn },
  "GET /users/me/identities": { statuses: signedIn },
  "DELETE /users/me/identities/:id": {
    statuses: sessionsAlone(404),
    path: ({ world }) => `/users/me/identities/${world.scanId}`
  },
  "GET /users": { statuses: administrators(200) },
  "POST /users": { statuses: administrators(201), body: newAccount("created") },
  "GET /users/:id": {
    statuses: [401, 200, 404, 404, 200, 200, 200],
    path: ({ world }) => `/users/${world.signedIn.owner.userId}`
  },
  "PATCH /users/:id": {
    statuses: [401, 200, 404, 404, 200, 403, 200],
    path: ({ world }) => `/users/${world.signedIn.owner.userId}`,
    body: ({ actor }) => ({ displayName: `named by ${actor}` })
  },
  "DELETE /users/:id": {
    statuses: [401, 404, 404, 404, 204, 404, 204],
    make: makeStranger,
    path: ({ madeId }) => `/users/${madeId}`
  },
  "PUT /users/:id/roles": {
    statuses: administrators(200),
    path: ({ world }) => `/users/${world.signedIn.owner.userId}/roles`,
    body: () => ({ roles: ["viewer"] })
  },
  "GET /roles": { statuses: administrators(200) },
  "POST /roles": {
    statuses: administrators(201),
    body: ({ actor }) => ({ name: `made-by-${actor}`, permissions: ["media:read"] })
  },
  "PUT /roles/:id": {
    statuses: administrators(200),
    make: makeRole,
    path: ({ madeId }) => `/roles/${madeId}`,
    body: ({ actor }) => ({ name: `changed-by-${actor}`, permissions: [] })
  },
  "DELETE /roles/:id": {
    statuses: administrators(204),
    make: makeRole,
    path: ({ madeId }) => `/roles/${madeId}`
  },
  "GET /audit": { statuses: administrators(200) },
  "GET /api-keys": { statuses: sessionsAlone(200) },
  "POST /api-keys": {
    statuses: sessionsAlone(201),
    body: () => ({ name: "a key", permissions: ["media:read"] })
  },
  "DELETE /api-keys/:id": {
    statuses: [401, 204, 404, 404, 404, 403, 403],
    make: makeKey,
    path: ({ madeId }) => `/api-keys/${madeId}`
  },
  "GET /sessions": { statuses: signedIn },
  "DELETE /sessions": {
    statuses: [401, 403, 403, 403, 204, 403, 403],
    make: makeStranger,
    path: ({ madeId }) => `/sessions?userId=${madeId}`
  },
  "DELETE /sessions/:id": {
    statuses: [401, 204, 404, 404, 204, 403, 403],
    path: ({ spare }) => `/sessions/${spare.tokens.sessionId}`
  },
  "GET /media": { statuses: signedIn },
  "GET /media/:id": { statuses: ofTheItem, path: ({ world }) => `/media/${world.privateId}` },
  "GET /media/:id/content": { statuses: ofTheItem, path: ({ world }) => `/media/${world.privateId}/content` },
  "GET /media/:id/thumbnail": { statuses: ofTheItem, path: ({ world }) => `/media/${world.privateId}/thumbnail` },
  "PATCH /media/:id": {
    statuses: [401, 200, 404, 200, 200, 403, 200],
    path: ({ world }) => `/media/${world.privateId}`,
    body: ({ actor }) => ({ description: `told by ${actor}` })
  },
  "PUT /media/:id/favourite": {
    statuses: [401, 204, 404, 204, 204, 204, 204],
    path: ({ world }) => `/media/${world.privateId}/favourite`
  },
  "DELETE /media/:id/favourite": {
    statuses: [401, 204, 404, 204, 204, 204, 204],
    path: ({ world }) => `/media/${world.privateId}/favourite`
  },
  // Who may do nothing to the item is told so in the answer.
  "POST /media/bulk": {
    statuses: signedIn,
    body: ({ actor, world }) => ({ action: "tag", tags: [`by ${actor}`], ids: [world.privateId] })
  },
  "GET /tags": { statuses: signedIn },
  "GET /media/facets": { statuses: signedIn },
  "PATCH /tags/:tag": {
    statuses: curators(200),
    make: makeTag,
    path: ({ madeId }) => `/tags/${madeId}`,
    body: ({ madeId }) => ({ name: `${madeId} too` })
  },
  "GET /media/trash": { statuses: signedIn },
  "DELETE /media/:id": {
    statuses: [401, 204, 404, 204, 204, 403, 204],
    make: makeItem("restore"),
    path: ({ world }) => `/media/${world.privateId}`
  },
  "POST /media/:id/restore": {
    statuses: [401, 204, 404, 204, 204, 403, 204],
    make: makeItem("trash"),
    path: ({ world }) => `/media/${world.privateId}/restore`
  },
  "POST /media/:id/playback": { statuses: ofTheItem, path: ({ world }) => `/media/${world.privateId}/playback` },
  // The path is the right, whoever shows it.
  "GET /play/:grant/content": { statuses: everybody, path: ({ world }) => `${world.play}/content` },
  // Of what browsers play as it is, none is made.
  "GET /play/:grant/rendition.mp4": {
    statuses: [404, 404, 404, 404, 404, 404, 404],
    path: ({ world }) => `${world.play}/rendition.mp4`
  },
  "GET /play/:grant/storyboard.vtt": { statuses: everybody, path: ({ world }) => `${world.play}/storyboard.vtt` },
  "GET /play/:grant/storyboard-:sheet.webp": {
    statuses: everybody,
    path: ({ world }) => `${world.play}/storyboard-0.webp`
  },
  "GET /play/:grant/subtitles/:track.vtt": {
    statuses: everybody,
    path: ({ world }) => `${world.play}/subtitles/0.vtt`
  },
  "GET /play/:grant/hls/main.m3u8": { statuses: everybody, path: ({ world }) => `${world.play}/hls/main.m3u8` },
  "GET /play/:grant/hls/:rendition/index.m3u8": {
    statuses: everybody,
    path: ({ world }) => `${world.play}/hls/main/index.m3u8`
  },
  "GET /play/:grant/hls/:rendition/init.mp4": {
    statuses: everybody,
    path: ({ world }) => `${world.play}/hls/main/init.mp4`
  },
  "GET /play/:grant/hls/:rendition/:segment.m4s": {
    statuses: everybody,
    path: ({ world }) => `${world.play}/hls/main/0.m4s`
  },
  // The film's sound is no MP3.
  "GET /play/:grant/hls/:rendition/:segment.mp3": {
    statuses: [404, 404, 404, 404, 404, 404, 404],
    path: ({ world }) => `${world.play}/hls/main/0.mp3`
  },
  "PUT /media/:id/progress": {
    statuses: [401, 204, 404, 204, 204, 204, 204],
    path: ({ world }) => `/media/${world.privateId}/progress`,
    body: () => ({ positionSeconds: 1 })
  },
  "GET /users/me/continue-watching": { statuses: signedIn },
  "POST /media/:id/retry": {
    statuses: [401, 403, 404, 202, 202, 403, 202],
    path: ({ world }) => `/media/${world.privateId}/retry`
  },
  "POST /media/refresh": { statuses: curators(202) },
  "GET /media/refresh/:scanId": {
    statuses: curators(200),
    path: ({ world }) => `/media/refresh/${world.scanId}`
  },
  "GET /media/failures": { statuses: curators(200) },
  "POST /media/failures/retry": { statuses: curators(202) },
  "POST /media/:id/shares": {
    statuses: [401, 201, 404, 201, 201, 403, 201],
    path: ({ world }) => `/media/${world.privateId}/shares`,
    body: () => ({})
  },
  "GET /media/:id/shares": {
    statuses: [401, 200, 404, 200, 200, 403, 200],
    path: ({ world }) => `/media/${world.privateId}/shares`
  },
  "DELETE /media/:id/shares/:shareId": {
    statuses: [401, 204, 404, 204, 204, 403, 204],
    make: (world) => Effect.map(makeShare(world), ({ id }) => id),
    path: ({ madeId, world }) => `/media/${world.privateId}/shares/${madeId}`
  },
  "GET /shares/:token": {
    statuses: everybody,
    make: (world) => Effect.map(makeShare(world), ({ url }) => Redacted.value(url)),
    path: ({ madeId }) => new URL(madeId).pathname
  },
  // Behind an event that has not happened yet: what can't be told is refused, and the answer has an end.
  "GET /events": {
    statuses: [401, 410, 410, 410, 410, 410, 410],
    path: () => "/events?lastEventId=4611686018427387904-1"
  },
  "POST /events/tickets": { statuses: [401, 201, 201, 201, 201, 201, 201] },
  // For who knows the store's secret, whoever else they are.
  "POST /ingest/events": { statuses: [401, 401, 401, 401, 401, 401, 401], body: () => ({ Records: [] }) },
  "GET /health": { statuses: everybody },
  "GET /health/redis": { statuses: everybody },
  "GET /health/live": { statuses: everybody },
  "GET /health/ready": { statuses: everybody }
}

/** The contract's routes, written as above. */
const contract = Object.values(Api.groups)
  .flatMap((group) => Object.values(group.endpoints))
  .map(({ method, path }) => `${method} ${path === "/" ? path : path.replace(/\/$/, "")}`)

const ask = Effect.fnUntraced(function* (route: string, rule: Rule, actor: Actor) {
  const world = yield* World
  const { up } = world
  // Sessions that a rule ends are the owner's where the id stands in the path, and the actor's else.
  const spareOf = rule.spends === true && isPerson(actor) ? actor : "owner"
  const spare = yield* up.signIn(spareOf, spareOf === "admin" ? up.password : JoyUp.accountPassword)
  const madeId = rule.make === undefined ? "" : yield* rule.make(world, actor)
  const asked: Asked = { world, actor, spare, madeId }
  const [method = "", template = ""] = route.split(" ")
  const token = rule.spends === true && isPerson(actor) ? spare.token : world.credentials[actor]
  const options: JoyHttp.RequestOptions = {
    method,
    token,
    ...(rule.body === undefined ? {} : { body: rule.body(asked) })
  }
  const path = rule.path?.(asked) ?? template
  const answer = yield* up.request(path, options)
  // A session that was ended is nobody's.
  if (actor === "anonymous") {
    const { status } = yield* up.request(path, { ...options, token: world.endedToken })
    if (answer.status === 401) assert.strictEqual(status, 401, `by an ended session: ${route}`)
  }
  return answer
})

describeWith(["ffmpeg"], "who may do what", () => {
  layer(World.layer, { excludeTestServices: true })("over all routes", (it) => {
    it.effect("is said for every route of the contract, and for nothing else [C1]", () =>
      Effect.sync(() => {
        assert.deepStrictEqual(contract.toSorted(), Object.keys(rules).toSorted())
        const document = OpenApi.fromApi(Api)
        const documented = Object.entries(document.paths).flatMap(([path, methods]) =>
          Object.keys(methods ?? {}).map(
            (method) => `${method.toUpperCase()} ${path.replace(/\{(\w+)\}/g, ":$1").replace(/(.)\/$/, "$1")}`
          )
        )
        assert.deepStrictEqual(documented.toSorted(), Object.keys(rules).toSorted())
      })
    )

    for (const [route, rule] of Object.entries(rules).filter(([, { endsOthers }]) => endsOthers !== true)) {
      it.effect(`holds for ${route} [C1]`, () =>
        Effect.gen(function* () {
          const statuses: Record<string, number> = {}
          for (const actor of actors) statuses[actor] = (yield* ask(route, rule, actor)).status
          assert.deepStrictEqual(statuses, Object.fromEntries(actors.map((actor, at) => [actor, rule.statuses[at]])))
        })
      )
    }

    it.effect("lists a private item to its owner, curators and administrators alone [C2]", () =>
      Effect.gen(function* () {
        const { privateId, sharedId, signedIn } = yield* World
        const seen: Record<string, ReadonlyArray<string>> = {}
        for (const [actor, { client }] of Object.entries(signedIn)) {
          const { items } = yield* client.media.list({ query: {} })
          seen[actor] = items
            .map(({ id }) => (id === privateId ? "private" : id === sharedId ? "shared" : id))
            .toSorted()
          // Where an object lies is for its owner and for who writes.
          for (const item of items) {
            const tells = actor === "curator" || actor === "admin" || (actor === "owner" && item.id === privateId)
            assert.strictEqual(item.s3Key !== null, tells, `${actor} ${item.title}`)
          }
        }
        const both = ["private", "shared"]
        assert.deepStrictEqual(seen, { owner: both, viewer: ["shared"], curator: both, admin: both })
        const mine = yield* signedIn.owner.client.media.list({ query: { owner: "me" } })
        assert.deepStrictEqual(
          mine.items.map(({ id }) => String(id)),
          [privateId]
        )
        const found = yield* signedIn.viewer.client.media.list({ query: { q: "film" } })
        assert.deepStrictEqual(found.items, [])
        const facets = yield* signedIn.viewer.client.media.facets({ query: {} })
        assert.deepStrictEqual(facets.types, [{ value: "video", count: 1 }])
      })
    )

    it.effect("makes somebody else's private item no different from one that does not exist [C2]", () =>
      Effect.gen(function* () {
        const { privateId, signedIn, up } = yield* World
        const { token } = signedIn.viewer
        const unknownId = `${privateId.slice(0, -4)}0000`
        for (const [method, rest] of [
          ["GET", ""],
          ["GET", "/content"],
          ["HEAD", "/content"],
          ["GET", "/thumbnail"],
          ["GET", "/thumbnail?width=320&exp=9999999999&sig=AAAAAAAAAAAAAAAAAAAAAA"],
          ["POST", "/playback"],
          ["POST", "/retry"],
          ["DELETE", ""],
          ["POST", "/restore"],
          ["PUT", "/favourite"]
        ] as const) {
          const theirs = yield* up.request(`/media/${privateId}${rest}`, { method, token })
          const none = yield* up.request(`/media/${unknownId}${rest}`, { method, token })
          assert.deepStrictEqual({ status: theirs.status, text: theirs.text }, { status: none.status, text: none.text })
          const stranger = yield* up.request(`/media/${privateId}${rest}`, { method })
          const nobody = yield* up.request(`/media/${unknownId}${rest}`, { method })
          assert.deepStrictEqual(
            { status: stranger.status, text: stranger.text },
            { status: nobody.status, text: nobody.text }
          )
        }
      })
    )

    it.effect("writes down who was refused, and where, and little of a flood [L9, L11]", () =>
      Effect.gen(function* () {
        const { credentials, signedIn, up } = yield* World
        const { userId } = signedIn.viewer
        const denied = Effect.map(
          Effect.orDie(
            up.admin.client.audit.list({ query: { userId: UserId.make(userId), action: "access.denied", limit: 200 } })
          ),
          ({ items }) => items
        )
        const before = yield* denied
        // Those of the matrix above.
        assert.includeMembers(
          before.map(({ detail }) => detail["route"]),
          ["GET /users", "PUT /users/:id/roles", "POST /roles", "GET /audit", "POST /media/refresh"]
        )
        assert.isTrue(
          before.every(({ ip, sessionId }) => ip === "127.0.0.1" && sessionId === signedIn.viewer.tokens.sessionId)
        )
        for (let n = 0; n < 60; n++) yield* up.request("/audit", { token: credentials.viewer })
        const after = yield* denied
        assert.strictEqual(after.length, 30)
        assert.deepStrictEqual(after[0]?.detail, { route: "GET /audit", othersLeftOut: true })
      })
    )

    it.effect("shows the shared item to all who are signed in", () =>
      Effect.gen(function* () {
        const { sharedId, signedIn, up } = yield* World
        for (const { token } of Object.values(signedIn)) {
          for (const rest of ["", "/content", "/thumbnail"]) {
            assert.strictEqual((yield* up.request(`/media/${sharedId}${rest}`, { token })).status, 200, rest)
          }
        }
      })
    )

    for (const [route, rule] of Object.entries(rules).filter(([, { endsOthers }]) => endsOthers === true)) {
      it.effect(`holds for ${route} [C1]`, () =>
        Effect.gen(function* () {
          for (const [at, actor] of actors.entries()) {
            assert.strictEqual((yield* ask(route, rule, actor)).status, rule.statuses[at], actor)
          }
        })
      )
    }
  })
})
