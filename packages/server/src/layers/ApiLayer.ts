import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { AuditLog } from "@joy/auth/AuditLog"
import { Favourites } from "@joy/catalog/Favourites"
import { ItemAudiences } from "@joy/catalog/ItemAudiences"
import { MediaChanges } from "@joy/catalog/MediaChanges"
import { MediaFacets } from "@joy/catalog/MediaFacets"
import { MediaItems } from "@joy/catalog/MediaItems"
import { Shares } from "@joy/catalog/Shares"
import { Tags } from "@joy/catalog/Tags"
import { WatchProgress } from "@joy/catalog/WatchProgress"
import { Api } from "@joy/domain/Api"
import { Failures } from "@joy/ingest/Failures"
import { Scans } from "@joy/ingest/Scans"
import { StoreNews } from "@joy/ingest/StoreNews"
import * as ByteSize from "effect/ByteSize"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import * as HttpApiScalar from "effect/http-api/HttpApiScalar"
import * as HttpIncomingMessage from "effect/http/HttpIncomingMessage"
import * as HttpRouter from "effect/http/HttpRouter"
import * as Layer from "effect/Layer"

import { Configuration } from "../config/Configuration.ts"
import * as EventLog from "../EventLog.ts"
import { EventNews } from "../events/EventNews.ts"
import { EventReader } from "../events/EventReader.ts"
import { EventStreams } from "../events/EventStreams.ts"
import { Health } from "../Health.ts"
import { AccessLog } from "../http/AccessLog.ts"
import { ApiKeyHandlers } from "../http/ApiKeyHandlers.ts"
import { AuditHandlers } from "../http/AuditHandlers.ts"
import { AuthHandlers } from "../http/AuthHandlers.ts"
import * as AuthorizationLayer from "../http/AuthorizationLayer.ts"
import { ClientAddress } from "../http/ClientAddress.ts"
import * as Cors from "../http/Cors.ts"
import { DenialNotes } from "../http/DenialNotes.ts"
import { EventHandlers } from "../http/EventHandlers.ts"
import { HealthHandlers } from "../http/HealthHandlers.ts"
import { IdentityHandlers } from "../http/IdentityHandlers.ts"
import { IngestHandlers } from "../http/IngestHandlers.ts"
import { LinkedIdentityHandlers } from "../http/LinkedIdentityHandlers.ts"
import { MediaChangeHandlers } from "../http/MediaChangeHandlers.ts"
import { MediaHandlers } from "../http/MediaHandlers.ts"
import * as NodeServer from "../http/NodeServer.ts"
import { OAuthHandlers } from "../http/OAuthHandlers.ts"
import { PlaybackHandlers } from "../http/PlaybackHandlers.ts"
import * as ProblemDocuments from "../http/ProblemDocuments.ts"
import { ProgressHandlers } from "../http/ProgressHandlers.ts"
import * as RateLimitFields from "../http/RateLimitFields.ts"
import { RefreshCookie } from "../http/RefreshCookie.ts"
import * as RequestSpans from "../http/RequestSpans.ts"
import * as RequestValidationLayer from "../http/RequestValidationLayer.ts"
import { RoleHandlers } from "../http/RoleHandlers.ts"
import { SessionHandlers } from "../http/SessionHandlers.ts"
import { ShareHandlers } from "../http/ShareHandlers.ts"
import * as StoreAuthorizationLayer from "../http/StoreAuthorizationLayer.ts"
import { TagHandlers } from "../http/TagHandlers.ts"
import { UserHandlers } from "../http/UserHandlers.ts"
import * as AuthLayer from "./AuthLayer.ts"
import { ListenFailed } from "./ListenFailed.ts"
import * as OperationsLayer from "./OperationsLayer.ts"
import * as PlaybackLayer from "./PlaybackLayer.ts"
import * as StoreLayer from "./StoreLayer.ts"

const handlers = Layer.mergeAll(
  ApiKeyHandlers,
  AuditHandlers,
  AuthHandlers,
  OAuthHandlers,
  IdentityHandlers,
  LinkedIdentityHandlers,
  UserHandlers,
  RoleHandlers,
  SessionHandlers,
  MediaHandlers,
  PlaybackHandlers,
  MediaChangeHandlers,
  TagHandlers,
  ShareHandlers,
  EventHandlers,
  ProgressHandlers,
  IngestHandlers,
  HealthHandlers
)

const news = Layer.unwrap(
  Effect.map(Configuration, ({ source }) => StoreNews.layer(source._tag === "Bucket" ? source : null))
)

const catalogue = Layer.mergeAll(
  MediaChanges.layer,
  MediaFacets.layer,
  Favourites.layer,
  Shares.layer,
  Tags.layer,
  WatchProgress.layer
).pipe(Layer.provide(AuditLog.layerNotes), Layer.provideMerge(MediaItems.layer))

const services = Layer.mergeAll(news, PlaybackLayer.layer, Scans.layer, Failures.layer).pipe(
  Layer.provideMerge(catalogue),
  Layer.provide([StoreLayer.source, StoreLayer.derived, EventLog.layer])
)

const eventStreams = EventStreams.layerNoDeps.pipe(
  Layer.provide(EventReader.layer),
  Layer.provide([EventNews.layer, ItemAudiences.layer])
)

/** Streams have no end of their own: the listener would wait for them. */
const endStreams = Layer.effectDiscard(Effect.flatMap(EventStreams, ({ end }) => Effect.addFinalizer(() => end)))

const routes = Layer.mergeAll(
  HttpApiBuilder.layer(Api, { openapiPath: "/openapi.json" }),
  HttpApiScalar.layer(Api, { path: "/docs" }),
  Cors.layer,
  ProblemDocuments.layer,
  RequestSpans.layer
).pipe(
  Layer.provide(handlers),
  Layer.provide([
    AuthorizationLayer.authorization,
    AuthorizationLayer.eventsAuthorization,
    AuthorizationLayer.thumbnailAuthorization,
    AuthorizationLayer.logoutAuthorization,
    StoreAuthorizationLayer.layer
  ]),
  Layer.provide([RequestValidationLayer.layer, RateLimitFields.layer]),
  Layer.provide(DenialNotes.layer),
  Layer.provide([services, ClientAddress.layer, Cors.CorsFields.layer, RefreshCookie.layer])
)

const listener = (shutdownTimeout: Duration.Duration) =>
  Layer.effectContext(
    Effect.gen(function* () {
      const { host, port } = yield* Configuration
      const server = NodeHttpServer.layer(NodeServer.make(yield* AccessLog), {
        host,
        port,
        gracefulShutdownTimeout: shutdownTimeout
      })
      return yield* Effect.mapError(Layer.build(server), ListenFailed.of({ name: "PORT", host, port }))
    })
  ).pipe(Layer.provide(AccessLog.layer), Layer.provide(ClientAddress.layer))

/** The API on its port. Needs the database; gives the server, so that others can tell where it listens. */
export const layer = (options: { readonly shutdownTimeout: Duration.Duration }) =>
  // What is built last ends first.
  endStreams.pipe(
    Layer.provideMerge(
      HttpRouter.serve(routes, {
        disableLogger: true,
        disableListenLog: true,
        // Playback grants are longer than the router's own limit of 100 characters. One path has one spelling.
        routerConfig: { maxParamLength: 512, caseSensitive: true, ignoreDuplicateSlashes: false }
      })
    ),
    Layer.provide(eventStreams),
    Layer.provide(Layer.succeed(HttpIncomingMessage.MaxBodySize, ByteSize.kibibytes(64))),
    Layer.provide(RequestSpans.instead),
    Layer.provideMerge(listener(options.shutdownTimeout)),
    Layer.provide(OperationsLayer.layer),
    Layer.provideMerge(Health.layer),
    Layer.provideMerge(AuthLayer.layer)
  )
