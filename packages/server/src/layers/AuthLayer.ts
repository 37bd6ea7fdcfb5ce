import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { AccessTokens } from "@joy/auth/AccessTokens"
import { AccountChanges } from "@joy/auth/AccountChanges"
import { Accounts } from "@joy/auth/Accounts"
import { ApiKeyPrincipals } from "@joy/auth/ApiKeyPrincipals"
import { ApiKeys } from "@joy/auth/ApiKeys"
import { AuditLog } from "@joy/auth/AuditLog"
import { AuditTrail } from "@joy/auth/AuditTrail"
import { AuthConfig } from "@joy/auth/AuthConfig"
import { Denials } from "@joy/auth/Denials"
import { EventTickets } from "@joy/auth/EventTickets"
import { Housekeeping } from "@joy/auth/Housekeeping"
import { Keys } from "@joy/auth/Keys"
import * as KeySigner from "@joy/auth/KeySigner"
import { LinkedIdentities } from "@joy/auth/LinkedIdentities"
import { OAuthAccounts } from "@joy/auth/OAuthAccounts"
import { OAuthFlows } from "@joy/auth/OAuthFlows"
import { PasswordHasher } from "@joy/auth/PasswordHasher"
import { PasswordPolicy } from "@joy/auth/PasswordPolicy"
import { Principals } from "@joy/auth/Principals"
import { RateLimits } from "@joy/auth/RateLimits"
import * as RedisSessionIndex from "@joy/auth/RedisSessionIndex"
import { Revocations } from "@joy/auth/Revocations"
import { Roles } from "@joy/auth/Roles"
import { SessionIndex } from "@joy/auth/SessionIndex"
import { Sessions } from "@joy/auth/Sessions"
import { SessionUse } from "@joy/auth/SessionUse"
import { StandingPrincipals } from "@joy/auth/StandingPrincipals"
import * as OwnedItems from "@joy/catalog/OwnedItems"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

import { Configuration } from "../config/Configuration.ts"
import * as EventLog from "../EventLog.ts"
import * as Redis from "../Redis.ts"
import * as OAuthLayer from "./OAuthLayer.ts"

const config = Layer.unwrap(
  Effect.map(Configuration, (settings) =>
    AuthConfig.layer({
      issuer: settings.publicUrl,
      accessTokenTtl: Duration.millis(settings.accessTokenTtl),
      sessionIdleTtl: Duration.millis(settings.sessionIdleTtl),
      sessionMaxTtl: Duration.millis(settings.sessionMaxTtl),
      refreshGrace: Duration.millis(settings.refreshGrace),
      registration: settings.registration,
      rateLimits: settings.rateLimits
    })
  )
)

const keys = Layer.unwrap(Effect.map(Configuration, ({ keysFile }) => Keys.layer(keysFile))).pipe(
  Layer.provide(NodeFileSystem.layer)
)

/** What has a fast copy in Redis where there is one, and in the process where there is none. */
const shared = Layer.unwrap(
  Effect.map(Configuration, ({ redisUrl }) =>
    redisUrl === null
      ? Layer.merge(SessionIndex.layerMemory, RateLimits.layerMemory)
      : Layer.merge(RedisSessionIndex.layer, RateLimits.layerRedis).pipe(Layer.provideMerge(Redis.layer(redisUrl)))
  )
)

const foundation = Layer.mergeAll(AuditLog.layer, PasswordHasher.layer, PasswordPolicy.layer, KeySigner.layer).pipe(
  Layer.provideMerge(shared),
  Layer.provideMerge(keys),
  Layer.provideMerge(config)
)

/** Accounts for tools that run once: they announce what they end, and listen to nobody. */
export const layerTool = Accounts.layerNoDeps.pipe(
  Layer.provideMerge(Sessions.layerNoDeps),
  Layer.provide(Revocations.layerAnnounceOnly),
  Layer.provide(foundation)
)

/** Everything that requests need to know who makes them. Gives the `Signer`, and `Redis` where it is configured. */
export const layer = Layer.mergeAll(
  Accounts.layerNoDeps,
  AccountChanges.layerNoDeps,
  ApiKeys.layerNoDeps,
  LinkedIdentities.layerNoDeps,
  OAuthAccounts.layerNoDeps,
  AuditTrail.layerNoDeps,
  Roles.layerNoDeps,
  EventTickets.layerNoDeps,
  AccessTokens.layer,
  Housekeeping.layerHourly
).pipe(
  Layer.provideMerge(StandingPrincipals.layerNoDeps),
  Layer.provideMerge([Principals.layerNoDeps, ApiKeyPrincipals.layerNoDeps]),
  Layer.provideMerge([Sessions.layerNoDeps, OAuthFlows.layerNoDeps, Denials.layer]),
  Layer.provide(OwnedItems.layerUserDeletion.pipe(Layer.provideMerge(EventLog.layer))),
  Layer.provide([OAuthLayer.layer, Revocations.layer, SessionUse.layer]),
  Layer.provideMerge(foundation)
)
