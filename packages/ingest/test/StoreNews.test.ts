import { assert, describe, it } from "@effect/vitest"
import { ObjectKey } from "@joy/domain/StoredObject"
import { StoreNotification } from "@joy/domain/StoreNotification"
import * as TestDatabase from "@joy/testing/TestDatabase"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"

import { ObjectEvents } from "../src/ObjectEvents.ts"
import { StoreNews } from "../src/StoreNews.ts"

const grounds = (prefix = "", bucket = "films") =>
  StoreNews.layer({ bucket, prefix }).pipe(
    Layer.provideMerge(ObjectEvents.layer),
    Layer.provideMerge(TestDatabase.layer)
  )

const receive = Effect.fnUntraced(function* (...documents: ReadonlyArray<unknown>) {
  const news = yield* StoreNews
  for (const document of documents) {
    yield* Effect.flatMap(Schema.decodeUnknownEffect(StoreNotification)(document), news.receive)
  }
})

const waiting = Effect.flatMap(ObjectEvents, ({ pending }) =>
  Effect.map(pending, (keys) => keys.map(({ key }): string => key).toSorted())
)

const finishAll = Effect.flatMap(ObjectEvents, (events) => Effect.flatMap(events.pending, events.done))

const record = (
  key: string,
  more: { readonly name?: string; readonly bucket?: string; readonly sequencer?: string | null } = {}
) => ({
  eventVersion: "2.2",
  eventSource: "aws:s3",
  awsRegion: "eu-central-1",
  eventTime: "2026-01-01T00:00:00.000Z",
  eventName: more.name ?? "ObjectCreated:Put",
  userIdentity: { principalId: "AWS:EXAMPLE" },
  requestParameters: { sourceIPAddress: "127.0.0.1" },
  responseElements: { "x-amz-request-id": "C3D13FE58DE4C810", "x-amz-id-2": "FMyUVURIY8" },
  s3: {
    s3SchemaVersion: "1.0",
    configurationId: "films",
    bucket: {
      name: more.bucket ?? "films",
      ownerIdentity: { principalId: "A3NL1KOZZKExample" },
      arn: "arn:aws:s3:::films"
    },
    object: {
      key,
      size: 1024,
      eTag: "d41d8cd98f00b204e9800998ecf8427e",
      versionId: null,
      ...(more.sequencer === undefined ? {} : { sequencer: more.sequencer })
    }
  }
})

describe("News of an object store", () => {
  it.effect("is understood as S3, MinIO, versitygw and EventBridge tell it", () =>
    Effect.gen(function* () {
      yield* receive(
        { Records: [record("s3/red+flower.mp4", { sequencer: "0055AED6DCD90281E5" })] },
        {
          EventName: "s3:ObjectCreated:CompleteMultipartUpload",
          Key: "films/minio/ä b.mp4",
          Records: [record("minio%2F%C3%A4+b.mp4", { name: "s3:ObjectCreated:CompleteMultipartUpload" })]
        },
        // As it was posted by versitygw: keys as they are, tags in quotes.
        {
          Records: [
            {
              eventVersion: "2.2",
              eventSource: "aws:s3",
              awsRegion: "us-east-1",
              eventTime: "2026-11-25T13:13:17Z",
              eventName: "s3:ObjectCreated:Put",
              userIdentity: { PrincipalId: "joy" },
              requestParameters: { sourceIPAddress: "127.0.0.1" },
              responseElements: { "x-amz-request-id": "", "x-amz-id-2": "" },
              s3: {
                s3SchemaVersion: "1.0",
                configurationId: "webhook-global",
                bucket: {
                  name: "films",
                  ownerIdentity: { PrincipalId: "joy" },
                  arn: "arn:aws:s3:::/films/versity/ü.mp4"
                },
                object: {
                  key: "versity/ü.mp4",
                  size: 1,
                  eTag: '"9dd4e461268c8034f5c8564e155c67a6"',
                  versionId: null,
                  sequencer: "1"
                }
              },
              glacierEventData: {
                restoreEventData: { lifecycleRestorationExpiryTime: "", lifecycleRestoreStorageClass: "" }
              }
            }
          ]
        },
        {
          version: "0",
          id: "17793124-05d4-b198-2fde-7ededc63b103",
          "detail-type": "Object Deleted",
          source: "aws.s3",
          account: "111122223333",
          time: "2021-11-12T00:00:00Z",
          region: "ca-central-1",
          resources: ["arn:aws:s3:::films"],
          detail: {
            version: "0",
            bucket: { name: "films" },
            object: {
              key: "bridge/example-key.mp4",
              "version-id": "1QW9g1Z99LUNbvaaYVpW9xDlOLU.qxgF",
              sequencer: "617f0837b476e463"
            },
            "request-id": "0BH729840619AG5K",
            requester: "123456789012",
            "source-ip-address": "1.2.3.4",
            reason: "DeleteObject",
            "deletion-type": "Delete Marker Created"
          }
        }
      )
      const keys = yield* waiting
      for (const key of ["s3/red flower.mp4", "minio/ä b.mp4", "versity/ü.mp4", "bridge/example-key.mp4"]) {
        assert.include(keys, key)
      }
    }).pipe(Effect.provide(grounds()))
  )

  it.effect("is taken as a test where it says that it is one", () =>
    Effect.gen(function* () {
      yield* receive(
        {
          Service: "Amazon S3",
          Event: "s3:TestEvent",
          Time: "2014-10-13T15:57:02.089Z",
          Bucket: "films",
          RequestId: "5582815E1AEA5ADF"
        },
        { Service: "S3", Event: "s3:TestEvent", Time: "2026-11-25T13:13:16Z", Bucket: "Test-Bucket" },
        { Records: [] }
      )
      assert.deepStrictEqual(yield* waiting, [])
    }).pipe(Effect.provide(grounds()))
  )

  it.effect("means every key that its own might stand for", () =>
    Effect.gen(function* () {
      yield* receive({
        Records: [
          record("a+b%20c.mp4"),
          record("100%.mp4"),
          record("%ff.mp4"),
          record("plain.mp4"),
          record("%2e%2e/x.mp4")
        ]
      })
      assert.deepStrictEqual(
        yield* waiting,
        [
          "a+b%20c.mp4",
          "a+b c.mp4",
          "a b c.mp4",
          "100%.mp4",
          "%ff.mp4",
          "plain.mp4",
          "%2e%2e/x.mp4",
          "../x.mp4"
        ].toSorted()
      )
    }).pipe(Effect.provide(grounds()))
  )

  it.effect("is let pass where it is about another bucket, another prefix, or what is no key", () =>
    Effect.gen(function* () {
      yield* receive({
        Records: [
          record("library/in.mp4"),
          record("library%2Fencoded.mp4"),
          record("library/elsewhere.mp4", { bucket: "other" }),
          record("outside.mp4"),
          record("library-too/outside.mp4"),
          record("library/"),
          record("library/.joy/018f/thumbnail-320.webp"),
          record("library/nul%00.mp4"),
          record(`library/${"x".repeat(1025)}.mp4`),
          record("")
        ]
      })
      assert.deepStrictEqual(yield* waiting, ["encoded.mp4", "in.mp4", "nul%00.mp4"])
    }).pipe(Effect.provide(grounds("library/")))
  )

  it.effect("counts where objects come and go, not where they are read or tagged", () =>
    Effect.gen(function* () {
      const names = [
        "ObjectCreated:Copy",
        "ObjectRemoved:Delete",
        "ObjectRemoved:DeleteMarkerCreated",
        "s3:ObjectRemoved:DeleteObjects",
        "ObjectRestore:Completed",
        "LifecycleExpiration:Delete",
        "s3:ObjectAccessed:Head",
        "s3:ObjectAccessed:Get",
        "ObjectTagging:Put",
        "ObjectAcl:Put",
        "s3:ReducedRedundancyLostObject",
        ""
      ]
      yield* receive({ Records: names.map((name, at) => record(`${at}.mp4`, { name })) })
      assert.deepStrictEqual(yield* waiting, ["0.mp4", "1.mp4", "2.mp4", "3.mp4", "4.mp4", "5.mp4"])
    }).pipe(Effect.provide(grounds()))
  )

  it.effect("counts once, however often it is delivered, and not at all when something later is known", () =>
    Effect.gen(function* () {
      const told = (sequencer: string | null) => receive({ Records: [record("a.mp4", { sequencer })] })
      yield* told("0055AED6DCD90281E5")
      yield* told("0055AED6DCD90281E5")
      assert.deepStrictEqual(yield* waiting, ["a.mp4"])
      yield* finishAll
      for (const sequencer of [
        "0055AED6DCD90281E5",
        "0055aed6dcd90281e5",
        "0055AED6DCD90281E4FFFF",
        "0055AED6DCD90281"
      ]) {
        yield* told(sequencer)
        assert.deepStrictEqual(yield* waiting, [], sequencer)
      }
      // Filled up with zeros on the right, a longer one may be later.
      for (const sequencer of ["0055AED6DCD90281E501", "0055AED6DCD90281F"]) {
        yield* told(sequencer)
        assert.deepStrictEqual(yield* waiting, ["a.mp4"], sequencer)
        yield* finishAll
      }
      // Two of one delivery, in the wrong order.
      yield* receive({
        Records: [
          record("a.mp4", { sequencer: "0055AED6DCD90282" }),
          record("a.mp4", { sequencer: "0055AED6DCD902819" })
        ]
      })
      yield* finishAll
      yield* told("0055AED6DCD902819F")
      assert.deepStrictEqual(yield* waiting, [])
      // Of another key it says nothing.
      yield* receive({ Records: [record("b.mp4", { sequencer: "0055AED6DCD90100" })] })
      assert.deepStrictEqual(yield* waiting, ["b.mp4"])
    }).pipe(Effect.provide(grounds()))
  )

  it.effect("is looked at each time where sequencers order nothing: a counter starts again with its server", () =>
    Effect.gen(function* () {
      for (const sequencer of ["9", "A", "10", "1", "1", "no number", null]) {
        yield* receive({ Records: [record("a.mp4", { sequencer })] })
        assert.deepStrictEqual(yield* waiting, ["a.mp4"], String(sequencer))
        yield* finishAll
      }
    }).pipe(Effect.provide(grounds()))
  )

  it.effect("stays to be done when it comes again while it is being dealt with", () =>
    Effect.gen(function* () {
      const events = yield* ObjectEvents
      const key = ObjectKey.make("a.mp4")
      yield* events.add([{ key, sequencer: null }])
      const told = yield* events.pending
      yield* events.add([{ key, sequencer: null }])
      yield* events.done(told)
      assert.deepStrictEqual(yield* waiting, ["a.mp4"])
    }).pipe(Effect.provide(grounds()))
  )

  it.effect("is one row a key, whatever comes at once", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* Effect.forEach(
        Array.from({ length: 20 }, (_, at) => at),
        (at) => receive({ Records: Array.from({ length: 100 }, (_, of) => record(`${(of * 7 + at) % 50}.mp4`)) }),
        { concurrency: "unbounded" }
      )
      assert.lengthOf(yield* sql`SELECT 1 FROM object_events`, 50)
    }).pipe(Effect.provide(grounds()))
  )
})
