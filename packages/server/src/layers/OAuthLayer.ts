import { OAuthConfig } from "@joy/auth/OAuthConfig"
import { OAuthProviders } from "@joy/auth/OAuthProviders"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

import { Configuration } from "../config/Configuration.ts"

/** Google and Apple, as far as they are configured. Gives that configuration too. */
export const layer = OAuthProviders.layer.pipe(
  Layer.provideMerge(Layer.unwrap(Effect.map(Configuration, ({ oauth }) => OAuthConfig.layer(oauth))))
)
