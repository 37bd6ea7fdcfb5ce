import { isIPv4, isIPv6 } from "node:net"

const read = (part: string) => (part === "" ? [] : part.split(":").map((group) => Number.parseInt(group, 16)))

/** The network of who has no address that can be read: all of them share it. */
export const nowhere = "unknown"

/** The eight groups of an IPv6 address, as numbers. */
const groupsOf = (address: string): ReadonlyArray<number> => {
  // The last two groups may be written as IPv4 (RFC 4291, 2.2).
  const hex = address.replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/, (_, a, b, c, d) =>
    [Number(a) * 256 + Number(b), Number(c) * 256 + Number(d)].map((group) => group.toString(16)).join(":")
  )
  const [head = "", tail] = hex.split("::")
  const left = read(head)
  const right = read(tail ?? "")
  return [...left, ...Array.from({ length: 8 - left.length - right.length }, () => 0), ...right]
}

/**
 * What counts as one client: an IPv4 address, or the /64 of an IPv6 address, of which every home has at least one whole
 * and can use any part.
 */
export const networkOf = (ip: string | null): string => {
  const address = (ip ?? "").split("%")[0] ?? ""
  if (isIPv4(address)) return address
  if (!isIPv6(address)) return nowhere
  const groups = groupsOf(address)
  const [, , , , , mapped, high = 0, low = 0] = groups
  if (groups.slice(0, 5).every((group) => group === 0) && mapped === 0xffff) {
    return [high >> 8, high & 255, low >> 8, low & 255].join(".")
  }
  return `${groups
    .slice(0, 4)
    .map((group) => group.toString(16))
    .join(":")}::/64`
}
