import type { Backlog } from '../backlog/backlog.ts'
import { DaemonError } from '../errors.ts'

/** Demo users read only (contract 6). */
export function refuseDemo({ caller }: Backlog): void {
  if (!caller.isDemo) return
  throw new DaemonError(
    'PERMISSION_DENIED',
    'A demo user may read but not write',
    'Use a token of an ordinary user; nothing was changed.',
  )
}
