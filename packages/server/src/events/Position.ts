import { EventPosition } from "@joy/domain/EventStream"

/**
 * A place in the order of events: behind the event of this transaction and id, or before all of a transaction, as id 0.
 * Ids alone are no order to read in, because what got a lower one may be committed later.
 */
export interface Position {
  readonly transactionId: bigint
  readonly id: bigint
}

export const parse = (text: EventPosition): Position => {
  const [transactionId = "", id = ""] = text.split("-")
  return { transactionId: BigInt(transactionId), id: BigInt(id) }
}

export const format = ({ id, transactionId }: Position): EventPosition => EventPosition.make(`${transactionId}-${id}`)

/** Whether the first comes after the second. */
export const isAfter = (a: Position, b: Position): boolean =>
  a.transactionId === b.transactionId ? a.id > b.id : a.transactionId > b.transactionId
