import { DaemonError } from '../errors.ts'
import type { ClaimRecord, Lost } from '../jobs/claim-record.ts'
import { readLease } from '../jobs/lease.ts'
import { readJob } from '../jobs/read.ts'
import { isFinal } from '../jobs/report.ts'
import type { DispatchPorts } from './ports.ts'

/** Why a claim is no longer ours. `status` of its job in the database, null where the row is gone; `here`: still under our name. */
export function whyLost(status: string | null, here: boolean): Lost {
  if (status === null) return 'gone'
  if (status === 'CANCELLED') return 'cancelled'
  return here && isFinal(status) ? 'ended' : 'taken'
}

/** The same, asked of the database. */
export async function findWhyLost(
  { rowSql }: DispatchPorts,
  { identity, userId }: ClaimRecord,
): Promise<Lost> {
  const row = await readJob(rowSql, userId, identity.jobId)
  return whyLost(row?.status ?? null, row?.workerInstanceId === identity.instanceId)
}

/**
 * What a write to a claim means that changed no row. Null: the claim is another's by now. Else it is ours still, and
 * a trigger or a policy of that database lets nobody change it, which says nothing about the work.
 */
export async function findHindrance(
  { rowSql }: DispatchPorts,
  { identity }: ClaimRecord,
): Promise<DaemonError | null> {
  if ((await readLease(rowSql, identity)) === null) return null
  return new DaemonError(
    'DATABASE_UNAVAILABLE',
    `The database changed nothing of job ${identity.jobId}, which is still held here`,
    'Its owner must look at triggers and row level security of claude_jobs.',
  )
}

/** What a session reads of a claim that is no longer its own, and what becomes of its work. */
export function lostError(claim: ClaimRecord): DaemonError {
  const { jobId } = claim.identity
  const saved =
    'Stop working on it. What is in its worktree is saved before the worktree is removed: ' +
    `\`scrum4me-daemon worktrees restore ${jobId}\` brings it back. Call wait_for_job for the next job.`
  switch (claim.lost) {
    case 'cancelled':
      return new DaemonError('JOB_CANCELLED', `Job ${jobId} was cancelled in Scrum4Me`, saved)
    case 'ended':
      return new DaemonError('JOB_TERMINAL', `Job ${jobId} was ended in Scrum4Me, not by this session`, saved)
    case 'gone':
      return new DaemonError('OWNERSHIP_LOST', `Job ${jobId} was deleted in Scrum4Me`, saved)
    default:
      return new DaemonError(
        'OWNERSHIP_LOST',
        `Job ${jobId} is no longer this session's: its lease ran out or it was released, and it is open to other workers`,
        saved,
      )
  }
}

/** A job that was never this session's, or of which nothing is remembered here. */
export function notYours(jobId: string): DaemonError {
  return new DaemonError(
    'OWNERSHIP_LOST',
    `Job ${jobId} is not held by this session; nothing was changed`,
    'Only the session that a job was given to reports on it. Call wait_for_job to get a job.',
  )
}
