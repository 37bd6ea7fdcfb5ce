/** Damaged files, made of valid ones. The same seed gives the same files. */

/** A generator of our own (Numerical Recipes' constants), so that a failure can be repeated. */
export interface Dice {
  /** A whole number from 0 to `below` - 1. */
  readonly roll: (below: number) => number
}

export const diceOf = (seed: number): Dice => {
  let state = seed >>> 0
  return {
    roll: (below) => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
      return Math.floor((state / 2 ** 32) * below)
    }
  }
}

/** Most of what is decisive stands at the beginning, and in an index at the end. */
const position = (dice: Dice, length: number): number => {
  const near = Math.min(length, 2_000)
  const where = dice.roll(3)
  return where === 0 ? dice.roll(near) : where === 1 ? length - near + dice.roll(near) : dice.roll(length)
}

const extremes = [0, 1, 7, 0x7fff_ffff, 0x8000_0000, 0xffff_fffe, 0xffff_ffff]

const flipBits = (file: Buffer, dice: Dice) => {
  const bytes = Buffer.from(file)
  for (let left = 1 + dice.roll(40); left > 0; left--) {
    const at = position(dice, bytes.length)
    bytes[at] = (bytes[at] ?? 0) ^ (1 << dice.roll(8))
  }
  return bytes
}

const replaceBytes = (file: Buffer, dice: Dice) => {
  const bytes = Buffer.from(file)
  for (let left = 1 + dice.roll(20); left > 0; left--) bytes[position(dice, bytes.length)] = dice.roll(256)
  return bytes
}

/** Sizes, counts and offsets that are as large or small as they get. */
const stretchNumbers = (file: Buffer, dice: Dice) => {
  const bytes = Buffer.from(file)
  for (let left = 1 + dice.roll(5); left > 0; left--) {
    const at = Math.min(position(dice, bytes.length), bytes.length - 4)
    if (at >= 0) bytes.writeUInt32BE(extremes[dice.roll(extremes.length)] ?? 0, at)
  }
  return bytes
}

const truncate = (file: Buffer, dice: Dice) => file.subarray(0, position(dice, file.length))

/** The beginning of one file and the rest of another. */
const splice = (file: Buffer, dice: Dice, other: Buffer) => {
  const at = 1 + dice.roll(Math.min(4_000, file.length))
  return Buffer.concat([file.subarray(0, at), other.subarray(Math.min(at, other.length))])
}

/** A part of the file once more, somewhere else in it. */
const repeat = (file: Buffer, dice: Dice) => {
  const from = position(dice, file.length)
  const part = file.subarray(from, from + 1 + dice.roll(2_000))
  const to = position(dice, file.length)
  return Buffer.concat([file.subarray(0, to), part, file.subarray(to)])
}

const clear = (file: Buffer, dice: Dice) => {
  const bytes = Buffer.from(file)
  const from = position(dice, bytes.length)
  return bytes.fill(dice.roll(2) * 255, from, Math.min(bytes.length, from + 1 + dice.roll(1_000)))
}

const ways = { flipBits, replaceBytes, stretchNumbers, truncate, splice, repeat, clear }

export interface Mutant {
  /** What was done to which of the files. */
  readonly name: string
  readonly bytes: Buffer
}

/** The `number`th damaged file of a seed. */
export const mutant = (files: ReadonlyMap<string, Buffer>, seed: number, number: number): Mutant => {
  // Seeds next to each other give rolls next to each other at first.
  const dice = diceOf(Math.imul(seed, 0x9e37_79b1) ^ Math.imul(number + 1, 0x85eb_ca6b))
  for (let i = 0; i < 3; i++) dice.roll(2)
  const names = [...files.keys()]
  const pick = () => names[dice.roll(names.length)] ?? ""
  const [name, other] = [pick(), pick()]
  const way = Object.entries(ways)[dice.roll(Object.keys(ways).length)] ?? ["flipBits", flipBits]
  const bytes = way[1](files.get(name) ?? Buffer.alloc(0), dice, files.get(other) ?? Buffer.alloc(0))
  return { name: `${way[0]} of ${name}`, bytes }
}
