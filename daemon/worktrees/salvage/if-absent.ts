import { codeOf } from '../../errors.ts'

/** For `.catch`: `value` when there is no such file. Every other error goes on, lest what cannot be read counts as nothing. */
export function ifAbsent<T>(value: T): (error: unknown) => T {
  return (error) => {
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') return value
    throw error
  }
}
