/** As much of `oidc-provider` as the tests use: it brings no types. */
declare module "oidc-provider" {
  import type { IncomingMessage, ServerResponse } from "node:http"

  export interface Interaction {
    readonly uid: string
    readonly prompt: { readonly name: string }
    readonly params: Readonly<Record<string, string>>
    readonly session?: { readonly accountId: string }
  }

  export class Grant {
    constructor(options: { readonly accountId: string | undefined; readonly clientId: string | undefined })
    addOIDCScope(scope: string): void
    save(): Promise<string>
  }

  export class Provider {
    constructor(issuer: string, configuration: object)
    readonly Client: { readonly prototype: { compareClientSecret: (actual: string) => boolean } }
    readonly Grant: typeof Grant
    readonly callback: () => (request: IncomingMessage, response: ServerResponse) => Promise<void>
    readonly interactionDetails: (request: IncomingMessage, response: ServerResponse) => Promise<Interaction>
    readonly interactionFinished: (request: IncomingMessage, response: ServerResponse, result: object) => Promise<void>
    readonly on: (event: string, listener: (...values: ReadonlyArray<unknown>) => void) => void
  }
}
