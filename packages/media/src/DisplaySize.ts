/** Pixels as they are displayed, of pixels as they are coded: the sample aspect ratio and the rotation applied. */
export const displaySize = (coded: {
  readonly width: number | null
  readonly height: number | null
  readonly sampleAspectRatio: string
  readonly rotation: number
}): { readonly displayWidth: number | null; readonly displayHeight: number | null } => {
  const { height, width } = coded
  if (width === null || height === null) return { displayWidth: null, displayHeight: null }
  const [n = 1, d = 1] = coded.sampleAspectRatio.split(":").map(Number)
  // One side grows and none shrinks, as players do it.
  const square = n >= d ? [Math.round((width * n) / d), height] : [width, Math.round((height * d) / n)]
  const [displayWidth = width, displayHeight = height] = coded.rotation % 180 === 90 ? square.toReversed() : square
  return { displayWidth, displayHeight }
}
