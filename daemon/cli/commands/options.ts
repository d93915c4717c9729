import { InvalidArgumentError, Option } from 'commander'

/** The options of a command that may print JSON. */
export type Json = { json?: boolean }

export const json = () => new Option('--json', 'print one JSON document and nothing else')

/** A script's empty variable must not turn what it does to another home (`uninstall --purge`) on the default one. */
export function directory(text: string): string {
  if (text === '') throw new InvalidArgumentError('It names no directory.')
  return text
}

/** Parses an integer argument within bounds. */
export function count(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN
    if (!(value >= min && value <= max))
      throw new InvalidArgumentError(`It is an integer from ${min} to ${max}.`)
    return value
  }
}
