import type { ClaimRecord } from '../jobs/claim-record.ts'
import { isReleasedAt, release, releaseTime } from '../jobs/release.ts'
import type { DispatchPorts } from './ports.ts'

/**
 * Puts a remembered claim back into the queue; null: it is another's. What the release will write is noted
 * first: its answer may be lost after it took effect, and it must not look like somebody else's deed then.
 * Answers the row's `updated_at`. The caller has the job's turn and moves the record.
 */
export async function releaseClaim(ports: DispatchPorts, claim: ClaimRecord): Promise<string | null> {
  const { book, rowSql } = ports
  if (await wasReleased(ports, claim)) return claim.releasedAt
  const at = await releaseTime(rowSql)
  // A disk that takes no note must not keep the job from others.
  await book.change(claim, { releasedAt: at }).catch(() => undefined)
  if (book.get(claim.identity.jobId)?.releasedAt !== at) return null
  return release(rowSql, claim.identity, at)
}

/** Whether an earlier release of this claim took effect although we were not told so. */
export async function wasReleased(ports: DispatchPorts, claim: ClaimRecord): Promise<boolean> {
  if (claim.releasedAt === null) return false
  return isReleasedAt(ports.rowSql, claim.identity.jobId, claim.releasedAt)
}
