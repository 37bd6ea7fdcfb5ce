const longest = 100

/** What a track is called, as it may stand in a quoted string of a playlist (RFC 8216, 4.2); `null` for nothing. */
export const labelOf = (name: string): string | null => {
  // oxlint-disable-next-line no-control-regex -- these are what would end the line
  const label = name.replace(/[\u0000-\u001f"]/g, "").slice(0, longest)
  return label === "" ? null : label
}
