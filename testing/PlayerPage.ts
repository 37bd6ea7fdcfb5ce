import { readFileSync } from "node:fs"
import { createRequire } from "node:module"

import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"

import { listen } from "./LoopbackServer.ts"

/** A page of another origin with a video and hls.js, as somebody's own player would be. */

const hls = createRequire(import.meta.url).resolve("hls.js/dist/hls.min.js")

/**
 * What tests call in the page. Each waits for what it is about, and fails when that does not come in time; `look` says how
 * it went until now.
 */
const script = `
const video = document.querySelector("video")
const errors = []
let player = null

const until = async (holds, what, seconds = 20) => {
  const deadline = performance.now() + seconds * 1000
  while (!holds()) {
    if (errors.some((error) => error.startsWith("fatal"))) throw new Error(errors.join("; "))
    if (performance.now() > deadline) throw new Error("Not in time: " + what + " " + JSON.stringify(look()))
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

const look = () => ({
  time: video.currentTime,
  duration: video.duration,
  ended: video.ended,
  width: video.videoWidth,
  height: video.videoHeight,
  frames: video.getVideoPlaybackQuality().totalVideoFrames,
  gaps: Math.max(0, video.buffered.length - 1),
  sounds: player === null ? [] : player.audioTracks.map(({ lang }) => lang),
  texts: player === null ? [] : player.subtitleTracks.map(({ lang }) => lang),
  error: video.error === null ? null : video.error.message,
  errors
})

/** It plays: the picture moves on by as much as it should in a moment. */
const advances = async () => {
  const from = video.currentTime
  await until(() => video.ended || video.currentTime > from + 0.4, "to go on from " + from)
}

const start = async () => {
  await video.play()
  await advances()
}

const playHls = (url) => {
  player = new Hls()
  player.on(Hls.Events.ERROR, (_, data) => errors.push((data.fatal ? "fatal " : "") + data.details))
  player.loadSource(url)
  player.attachMedia(video)
  return start()
}

const playFile = (url) => {
  video.src = url
  return start()
}

const seek = async (seconds) => {
  video.currentTime = seconds
  await until(() => !video.seeking && Math.abs(video.currentTime - seconds) < 1, "to arrive at " + seconds)
  await advances()
}

const toTheEnd = async () => {
  video.currentTime = video.duration - 1.5
  await until(() => video.ended, "the end")
}

const hear = async (sound) => {
  player.audioTrack = sound
  await until(() => player.audioTrack === sound, "the sound")
  await advances()
}

const read = async (text) => {
  player.subtitleTrack = text
  const cues = () => [...video.textTracks].flatMap((track) => (track.mode === "showing" ? [...(track.cues ?? [])] : []))
  await until(() => cues().length > 0, "the text")
  return cues().map((cue) => cue.text)
}
`

const page = `<!doctype html><meta charset="utf-8"><title>player</title>
<style>body { margin: 0; background: #111 } video { width: 100vw; height: 100vh }</style>
<video muted playsinline></video><script src="/hls.js"></script><script>${script}</script>`

/** Serves it until the scope ends, and gives its origin. */
export const serve: Effect.Effect<string, never, Scope.Scope> = listen(() => (request, response) => {
  const [type, body] = request.url === "/hls.js" ? ["text/javascript", readFileSync(hls)] : ["text/html", page]
  response.writeHead(200, { "content-type": type }).end(body)
})
