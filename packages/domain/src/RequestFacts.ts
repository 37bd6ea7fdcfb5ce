/** What is known of who makes a request, for the log and for the list of sessions. Proves nothing. */
export interface RequestFacts {
  /** The address of the client as the trusted proxies report it. */
  readonly ip: string | null
  readonly userAgent: string | null
}
