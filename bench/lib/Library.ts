import { type MediaStream, unknownStream } from "@joy/domain/MediaStream"
import type { Client } from "pg"

const streams: ReadonlyArray<MediaStream> = [
  {
    ...unknownStream,
    index: 0,
    type: "video",
    codec: "h264",
    codecString: "avc1.640028",
    profile: "High",
    level: "4.0",
    width: 1920,
    height: 1080,
    displayWidth: 1920,
    displayHeight: 1080,
    sampleAspectRatio: "1:1",
    pixelFormat: "yuv420p",
    bitDepth: 8,
    frameRate: 25,
    frameRateFraction: "25/1",
    isVariableFrameRate: false,
    interlacing: "progressive",
    isDefault: true,
    bitrate: 4_000_000
  },
  {
    ...unknownStream,
    index: 1,
    type: "audio",
    codec: "aac",
    codecString: "mp4a.40.2",
    profile: "LC",
    channels: 2,
    channelLayout: "stereo",
    sampleRate: 48_000,
    language: "eng",
    isDefault: true,
    bitrate: 192_000
  }
]

/**
 * Fills the catalogue with films that look like those of a library: three thumbnails, tags, two streams, some that failed,
 * and some that are private, one half of them to `viewer` and the other to `other`.
 */
export const addItems = async (client: Client, rows: number, viewer: string, other: string): Promise<void> => {
  await client.query(
    `INSERT INTO media_items (
       id, type, title, description, tags, status, user_id, visibility, s3_key, etag, size_bytes, container,
       duration_seconds, width, height, frame_rate, video_codec, audio_codec, bitrate, captured_at, metadata, streams,
       thumbnails, thumbhash, failure_step, failure_message, failure_attempts, created_at, updated_at
     )
     SELECT
       uuidv7(), 'video', 'Film ' || n || ' ' || substr(md5(n::text), 1, 12),
       CASE WHEN n % 3 = 0 THEN 'Taken on a walk along the river, part ' || n END,
       ARRAY['year-' || 2000 + n % 25, 'walks'], CASE WHEN failed THEN 'failed' ELSE 'ready' END, owner,
       CASE WHEN owner IS NULL THEN 'shared' ELSE 'private' END, 'films/' || n % 100 || '/film-' || n || '.mp4',
       md5('etag' || n), 5000000 + n * 1013, 'mp4', 30 + n % 5400 + 0.48, 1920, 1080, 25, 'h264', 'aac',
       4200000 + n % 1000, now() - n * interval '61 seconds' - interval '1 year',
       jsonb_build_object('encoder', 'Lavf61.7.100', 'rotation', 0, 'tags', jsonb_build_object('make', 'Example')),
       $4::jsonb,
       '[{"width": 320, "height": 180}, {"width": 640, "height": 360}, {"width": 1280, "height": 720}]',
       encode(substr(sha256(n::text::bytea), 1, 21), 'base64'), CASE WHEN failed THEN 'probe' END,
       CASE WHEN failed THEN 'The container ends early' END, CASE WHEN failed THEN 3 ELSE 0 END,
       now() - n * interval '61 seconds', now() - n * interval '59 seconds'
     FROM generate_series(1, $1::int) AS n,
       LATERAL (SELECT n % 97 = 0 AS failed,
         CASE n % 40 WHEN 0 THEN $2::uuid WHEN 20 THEN $3::uuid END AS owner) AS kind`,
    [rows, viewer, other, JSON.stringify(streams)]
  )
  await client.query("VACUUM ANALYZE media_items")
}
