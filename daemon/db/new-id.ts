import { randomInt } from 'node:crypto'

const ALPHABET = '0123456789abcdefghijklmnopqrstuvwxyz'

/** A row id in the shape of the ids that Scrum4Me makes: `c` and 24 characters of base 36. */
export function newId(): string {
  let id = 'c'
  while (id.length < 25) id += ALPHABET[randomInt(ALPHABET.length)]
  return id
}
