import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

import { Configuration } from "../config/Configuration.ts"
import * as Redis from "../Redis.ts"

/** Redis where it is configured; nothing at all where it is not. */
export const optional = Layer.unwrap(
  Effect.map(Configuration, ({ redisUrl }) => (redisUrl === null ? Layer.empty : Redis.layer(redisUrl)))
)
