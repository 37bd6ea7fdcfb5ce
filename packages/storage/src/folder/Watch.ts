import { ObjectKey } from "@joy/domain/StoredObject"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"

import type { StoreChange } from "../ObjectStore.ts"
import { isReservedKey } from "../ReservedKeys.ts"
import { StoreUnavailable } from "../StoreError.ts"
import { type ByteString, toPrintable, toText } from "./ByteString.ts"
import * as ErrorCodes from "./ErrorCodes.ts"
import * as Failure from "./Failure.ts"
import * as Place from "./Place.ts"
import * as Syscall from "./Syscall.ts"
import { maxKeyBytes } from "./Walk.ts"
import * as WatchedTree from "./WatchedTree.ts"

/** What happens to one file comes as several events: they are told together. */
const gathering = "100 millis"
/** Between two tellings, while a file is written to without end. */
const rest = "700 millis"
/** More names than this at a time are a flood: looking at all is cheaper than at each. */
const flood = 1000
/** Whether the root is still what is watched: one that was unmounted, or is another one now, tells nothing. */
const rootLook = "2 seconds"

const noWatches = (path: string) =>
  new StoreUnavailable({
    operation: "watch",
    reason: `the system has no watches left for ${path}: raise fs.inotify.max_user_watches and max_user_instances`,
    retryable: false
  })

const failure = (root: ByteString) => (error: Syscall.SyscallError) =>
  error.code === "ENOSPC" || error.code === "EMFILE"
    ? noWatches(toPrintable(root))
    : Failure.rootUnavailable("watch", root)(error)

const gone = (root: ByteString) =>
  new StoreUnavailable({
    operation: "watch",
    reason: `${toPrintable(root)} is no longer the folder that it was`,
    retryable: true
  })

/** What there is to look at where something happened to `path`. New folders are watched from then on. */
const look = Effect.fnUntraced(function* (
  real: ByteString,
  tree: ReturnType<typeof WatchedTree.make>,
  path: ByteString,
  isName: boolean
): Effect.fn.Return<ReadonlyArray<StoreChange>, Syscall.SyscallError> {
  const text = toText(path)
  const folder = `${path}/`
  const stats = yield* Effect.result(Syscall.lstat(`${real}/${path}`))
  if (Result.isSuccess(stats) && stats.success.isDirectory()) {
    if (!isName) return []
    // Another one may have taken its name: the watch is that of the old one.
    tree.remove(folder)
    yield* tree.add(folder)
    return text === null ? [] : [{ _tag: "Below", prefix: `${text}/` }]
  }
  const wasFolder = tree.has(folder)
  tree.remove(folder)
  // Names that can't be a key are for a scan to tell of.
  if (text === null || path.length > maxKeyBytes) return []
  const key: StoreChange = { _tag: "Key", key: ObjectKey.make(text) }
  return wasFolder ? [key, { _tag: "Below", prefix: `${text}/` }] : [key]
})

const listen = Effect.fnUntraced(function* (
  root: ByteString,
  queue: Queue.Queue<ReadonlyArray<StoreChange>, StoreUnavailable | Cause.Done>
) {
  const real = yield* Place.realRoot(root, "watch")
  const identity = Effect.map(Syscall.lstat(real === "" ? "/" : real), ({ dev, ino }) => `${dev} ${ino}`)
  const paths = new Map<ByteString, boolean>()
  const bell = yield* Queue.sliding<void>(1)
  let isFlood = false
  const tree = WatchedTree.make(real, {
    changed: (path, isName) => {
      if (isReservedKey(path)) return
      if (paths.size < flood) paths.set(path, isName || paths.get(path) === true)
      else isFlood = true
      Queue.offerUnsafe(bell, undefined)
    },
    failed: (error) => Queue.failCauseUnsafe(queue, Cause.fail(failure(root)(error)))
  })
  yield* Effect.addFinalizer(() => Effect.sync(tree.close))
  const before = yield* Effect.mapError(identity, failure(root))
  yield* Effect.mapError(tree.add(""), failure(root))
  yield* Queue.offer(queue, [{ _tag: "Anything" }])

  const tell = Effect.gen(function* () {
    yield* Queue.take(bell)
    yield* Effect.sleep(gathering)
    const told = [...paths]
    const wasFlood = isFlood
    paths.clear()
    isFlood = false
    const changes: Array<StoreChange> = []
    for (const [path, isName] of told) changes.push(...(yield* look(real, tree, path, isName)))
    // Folders may have come among what was not noted down.
    if (wasFlood) yield* tree.add("")
    yield* Queue.offer(queue, wasFlood ? [{ _tag: "Anything" }] : changes)
    yield* Effect.sleep(rest)
  })
  const guard = Effect.gen(function* () {
    yield* Effect.sleep(rootLook)
    const now = yield* identity.pipe(Effect.catchIf(ErrorCodes.isAbsent, () => Effect.succeed(null)))
    if (now !== before) return yield* gone(root)
  })
  yield* Effect.raceFirst(Effect.forever(tell), Effect.forever(guard)).pipe(
    Effect.catchTag("SyscallError", (error) => Effect.fail(failure(root)(error))),
    Effect.catchCause((cause) => Queue.failCause(queue, cause)),
    Effect.forkScoped
  )
})

/** Changes below a folder as the system tells of them. */
export const changes = (root: ByteString): Stream.Stream<ReadonlyArray<StoreChange>, StoreUnavailable> =>
  Stream.callback((queue) =>
    listen(root, queue).pipe(Effect.catchTag("StoreUnavailable", (error) => Queue.fail(queue, error)))
  )
