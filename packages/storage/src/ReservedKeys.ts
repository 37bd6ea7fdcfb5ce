/**
 * The top folder that belongs to this program and never to the library: derivatives live there when they share the
 * library's bucket (`DERIVED_PREFIX`), and a folder store keeps its half-written files there. No store lists it, and no
 * key below it is an object.
 */
export const reservedFolder = ".joy/"

export const isReservedKey = (key: string) => key === ".joy" || key.startsWith(reservedFolder)
