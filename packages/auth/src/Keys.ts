import { createPublicKey, createSecretKey, type KeyObject } from "node:crypto"

import * as Arr from "effect/Array"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"

import * as KeyFile from "./KeyFile.ts"
import * as KeyStore from "./KeyStore.ts"

/** A key to sign access tokens with. */
export interface SigningKey {
  readonly kid: string
  readonly privateKey: KeyObject
}

/** A key to verify access tokens with. */
export interface VerificationKey {
  readonly publicKey: KeyObject
  /** Milliseconds since the epoch from which on nothing that it signed is accepted. */
  readonly retiresAtMillis: number
}

/** A secret key for HMAC. Key objects show nothing of themselves when they are printed. */
export interface SecretKey {
  readonly id: string
  readonly key: KeyObject
}

type SecretKeys = Arr.NonEmptyReadonlyArray<SecretKey>

/** The keys of one reading of the file, ready for use. */
interface Loaded {
  readonly file: KeyFile.KeyFile
  readonly signingKey: (nowMillis: number) => SigningKey
  readonly verification: ReadonlyMap<string, VerificationKey>
  readonly refresh: SecretKeys
  readonly mac: SecretKeys
}

const secretKey = (secret: KeyFile.Secret): SecretKey => ({
  id: secret.id,
  key: createSecretKey(Redacted.value(KeyFile.secretBytes(secret)))
})

const loaded = (file: KeyFile.KeyFile): Loaded => {
  let signing: SigningKey | undefined
  return {
    file,
    signingKey: (nowMillis) => {
      const key = KeyFile.currentSigningKey(file, DateTime.makeUnsafe(nowMillis))
      return signing?.kid === key.kid ? signing : (signing = { kid: key.kid, privateKey: KeyFile.privateKey(key) })
    },
    verification: new Map(
      file.signing.map((key) => [
        key.kid,
        {
          publicKey: createPublicKey(KeyFile.privateKey(key)),
          retiresAtMillis: key.retiresAt?.epochMilliseconds ?? Number.POSITIVE_INFINITY
        }
      ])
    ),
    refresh: Arr.map(file.refresh, secretKey),
    mac: Arr.map(file.mac, secretKey)
  }
}

/** How often the file is looked at. Far below the time that a new key is published ahead. */
const lookEvery = "30 seconds"

export class Keys extends Context.Service<
  Keys,
  {
    /** The key that signs at this moment (milliseconds since the epoch). */
    readonly signingKey: (nowMillis: number) => SigningKey
    /** The key of that name, if the file has it; whether it retired is the caller's to check. */
    readonly verificationKey: (kid: string) => VerificationKey | undefined
    /** Counts the readings of the file: what was derived from an earlier one may be out of date. */
    readonly generation: () => number
    /** The public keys (RFC 7517, 5), the staged one too. */
    readonly jwks: Effect.Effect<{ readonly keys: ReadonlyArray<Record<string, string>> }>
    /** The keys of refresh secrets; the first is for new sessions. */
    readonly refreshKeys: () => SecretKeys
    /** The keys of the `Signer`; the first signs, all verify. */
    readonly macKeys: () => SecretKeys
    /** Looks at the file now; does nothing when it has not changed. A file that got lost or broken changes nothing. */
    readonly reload: Effect.Effect<void>
  }
>()("@joy/auth/Keys") {
  /** From fixed keys, for tests and tools. */
  static readonly layerKeyFile = (file: KeyFile.KeyFile): Layer.Layer<Keys> =>
    Layer.sync(Keys, () => {
      const current = loaded(file)
      return make({ current: () => current, generation: () => 0, reload: Effect.void })
    })

  /** From the file at `path`, and again whenever it changes. */
  static readonly layer = (path: string): Layer.Layer<Keys, KeyStore.KeyFileError, FileSystem.FileSystem> =>
    Layer.effect(
      Keys,
      Effect.gen(function* () {
        const fs = yield* FileSystem.FileSystem
        const stamp = fs.stat(path).pipe(
          Effect.map(({ ino, mtime, size }) =>
            [
              Option.getOrUndefined(ino),
              Option.match(mtime, { onNone: () => undefined, onSome: (date) => date.getTime() }),
              size
            ].join(" ")
          ),
          Effect.orElseSucceed(() => "")
        )
        let seen = yield* stamp
        let current = loaded(yield* KeyStore.load(path))
        let generation = 0

        const reload = Effect.gen(function* () {
          const now = yield* stamp
          if (now === seen) return
          seen = now
          current = loaded(yield* KeyStore.load(path))
          generation++
          yield* Effect.logInfo(`Read the key file ${path} again`)
        }).pipe(
          Effect.provideService(FileSystem.FileSystem, fs),
          Effect.catch((error) => Effect.logError(`${error.message} The keys read before stay in use.`))
        )
        yield* reload.pipe(Effect.repeat(Schedule.spaced(lookEvery)), Effect.delay(lookEvery), Effect.forkScoped)

        return make({ current: () => current, generation: () => generation, reload })
      })
    )
}

const make = (source: {
  readonly current: () => Loaded
  readonly generation: () => number
  readonly reload: Effect.Effect<void>
}): Keys["Service"] => ({
  signingKey: (nowMillis) => source.current().signingKey(nowMillis),
  verificationKey: (kid) => source.current().verification.get(kid),
  generation: source.generation,
  jwks: Effect.map(DateTime.now, (now) => ({
    keys: KeyFile.verificationKeys(source.current().file, now).map(({ jwk, kid }) => ({
      kty: jwk.kty,
      crv: jwk.crv,
      x: jwk.x,
      kid,
      use: "sig",
      alg: "EdDSA"
    }))
  })),
  refreshKeys: () => source.current().refresh,
  macKeys: () => source.current().mac,
  reload: source.reload
})
