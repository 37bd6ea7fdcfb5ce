import * as Context from "effect/Context"

/** How much is left of a limit for who makes the request. */
export interface Quota {
  readonly name: string
  readonly limit: number
  readonly windowSeconds: number
  readonly remaining: number
  /** Until all of it is there again; 0 when it is. */
  readonly resetSeconds: number
}

/**
 * Hears of the limits that a request counts against, each anew when it changes. Nobody listens unless the edge does,
 * which tells the client.
 */
export const QuotaListener = Context.Reference<(quota: Quota) => void>("@joy/auth/QuotaListener", {
  defaultValue: () => () => {}
})
