import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"

import type { Credential, Principal } from "./CurrentPrincipal.ts"

/** Who holds a credential. Answered by auth, asked by what acts for somebody after their request has ended. */
export class CredentialHolders extends Context.Service<
  CredentialHolders,
  {
    /**
     * Who a credential stands for at this moment, and what they may do; `null` from the moment that its end was answered,
     * as for a request that shows it.
     */
    readonly principalOf: (credential: Credential) => Effect.Effect<Principal | null>
  }
>()("@joy/domain/CredentialHolders") {}
