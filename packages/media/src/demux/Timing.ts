const gcd = (a: number, b: number): number => (b === 0 ? Math.max(1, a) : gcd(b, a % b))

/** A ratio in lowest terms: `4:3`. */
export const ratio = (width: number, height: number): string => reduced(width, height).replace("/", ":")

/** A fraction in lowest terms: `30000/1001`. */
export const reduced = (numerator: number, denominator: number): string => {
  const divisor = gcd(numerator, denominator)
  return `${numerator / divisor}/${denominator / divisor}`
}

/** Whether frames last differently long, by more than the rounding of a container's clock explains. */
export const isUneven = (seconds: ReadonlyArray<number>): boolean => {
  const sum = seconds.reduce((total, length) => total + length, 0)
  const shortest = seconds.reduce((least, length) => Math.min(least, length), Infinity)
  const longest = seconds.reduce((most, length) => Math.max(most, length), 0)
  return longest - shortest > Math.max(0.002, (0.1 * sum) / seconds.length)
}
