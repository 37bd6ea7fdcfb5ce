import { Readable } from "node:stream"

import type { Principal } from "@joy/domain/CurrentPrincipal"
import * as Equal from "effect/Equal"

import type { ToldEvent } from "./EventReader.ts"
import * as Position from "./Position.ts"

/**
 * One who listens, as the body of their answer. It holds what the connection did not take yet, and takes no more as long
 * as that is not gone: all else stays in the table.
 */
export class EventListener extends Readable {
  readonly principal: Principal
  /** Up to where it was told what it may know. */
  position: Position.Position
  /** Whether it has to read by itself: there are events before those that come that it was not told of. */
  isBehind = true
  readonly #ready: () => void
  #takes = false
  /** When it was told something last, or since when it takes nothing. */
  #since: number

  constructor(
    principal: Principal,
    position: Position.Position,
    options: {
      readonly nowMillis: number
      /** It takes something again. */
      readonly ready: () => void
      readonly closed: () => void
    }
  ) {
    // Only one that has taken everything is given more.
    super({ highWaterMark: 1 })
    // A client that hangs up is a failure with the answer in it, which Effect would compare by all that hangs on it.
    Equal.byReferenceUnsafe(this)
    this.principal = principal
    this.position = position
    this.#since = options.nowMillis
    this.#ready = options.ready
    this.once("close", options.closed)
    this.#say("")
  }

  /** Whether it takes what comes. */
  get takes(): boolean {
    return this.#takes && !this.readableEnded && !this.destroyed
  }

  /** How long it was told nothing, or has taken nothing. */
  silentMillis(nowMillis: number): number {
    return nowMillis - this.#since
  }

  /** Tells of those of the events that come after its position and that it may see, up to `position`. */
  give(events: ReadonlyArray<ToldEvent>, position: Position.Position, nowMillis: number): void {
    let text = ""
    for (const event of events) {
      if (Position.isAfter(event.position, this.position) && event.isFor(this.principal)) text += event.text
    }
    if (Position.isAfter(position, this.position)) this.position = position
    if (text === "") return
    this.#since = nowMillis
    this.#say(text)
  }

  /** Shows that the connection lives, and says from where to go on. */
  beat(nowMillis: number): void {
    this.#since = nowMillis
    this.#say("")
  }

  /** Ends the answer behind what was said already. */
  finish(): void {
    if (!this.#isFinished) this.push(null)
    this.#isFinished = true
    this.#takes = false
  }
  #isFinished = false

  /** An id without an event changes where a client goes on, and is no event to it. */
  #say(text: string): void {
    this.#takes = this.push(text === "" ? `:\nid: ${Position.format(this.position)}\n\n` : text)
  }

  override _read(): void {
    if (this.#isFinished || this.#takes) return
    this.#takes = true
    this.#ready()
  }
}
