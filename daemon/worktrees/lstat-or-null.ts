import type { Stats } from 'node:fs'
import { lstat } from 'node:fs/promises'
import { codeOf } from '../errors.ts'

/** Null when nothing is there. */
export async function lstatOrNull(path: string): Promise<Stats | null> {
  try {
    return await lstat(path)
  } catch (error) {
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') return null
    throw error
  }
}
