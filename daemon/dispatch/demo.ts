import { DaemonError } from '../errors.ts'

/** Demo users may read; a job and a worktree are writes (contract 6). */
export function demoReadsOnly(): DaemonError {
  return new DaemonError(
    'PERMISSION_DENIED',
    'A demo user may only read; nothing was changed',
    'Use the token of another user for this.',
  )
}
