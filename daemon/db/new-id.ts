<<<<<<< HEAD
import { randomBytes } from 'node:crypto'

/**
 * An id in the shape of the cuids that Prisma makes (`c`, 24 of `[0-9a-z]`, the first eight the time):
 * for rows that are written without Prisma. The rest is random, which no reader can tell apart.
 */
export function newId(now: number = Date.now()): string {
  let tail = ''
  // 252 is the largest multiple of 36 in a byte: what lies above would favour some letters.
  while (tail.length < 16)
    for (const byte of randomBytes(24)) if (byte < 252) tail += (byte % 36).toString(36)
  return `c${now.toString(36).padStart(8, '0').slice(-8)}${tail.slice(0, 16)}`
=======
import { randomInt } from 'node:crypto'

const ALPHABET = '0123456789abcdefghijklmnopqrstuvwxyz'

/** A row id in the shape of the ids that Scrum4Me makes: `c` and 24 characters of base 36. */
export function newId(): string {
  let id = 'c'
  while (id.length < 25) id += ALPHABET[randomInt(ALPHABET.length)]
  return id
>>>>>>> tools
}
