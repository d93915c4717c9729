import { access, constants } from 'node:fs/promises'
import type { DaemonError } from '../errors.ts'
import { freeBytes } from './disk.ts'
import { unusableDirectory } from './layout.ts'
import { nearest } from './nearest.ts'

export interface Place {
  /** Where the worktrees are or will be; null when it cannot be asked. */
  readonly freeBytes: number | null
  /** Why no worktree can be made there. */
  readonly fault: DaemonError | null
}

/** Looks at the worktree directory, or at where it would be made, and changes nothing. Never throws. */
export async function lookAtPlace(parent: string): Promise<Place> {
  try {
    const existing = await nearest(parent)
    const free = await freeBytes(existing)
    const fault = await access(`${existing}/.`, constants.W_OK | constants.X_OK).then(
      () => null,
      (error: unknown) => unusableDirectory(parent, error),
    )
    return { freeBytes: free, fault }
  } catch (error) {
    return { freeBytes: null, fault: unusableDirectory(parent, error) }
  }
}
