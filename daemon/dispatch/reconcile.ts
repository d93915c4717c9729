import { type ClaimRecord, LEASED } from '../jobs/claim-record.ts'
import { readJobs } from '../jobs/read.ts'
import { FINAL } from '../jobs/report.ts'
import type { Verdict } from '../worktrees/reconcile.ts'
import { goneMs, RECONNECT_MS } from './ownership.ts'
import type { DispatchPorts } from './ports.ts'

/** How long the worktree of a job that was released here waits for the job to come back, ms. */
export const KEEP_RELEASED_MS = 24 * 3600_000
const ENDED = [...FINAL, 'CANCELLED'] as const

/**
 * What becomes of each job's worktree, decided from what is remembered here and what the database says
 * (contract 4, the table of endings). A job without a verdict is left alone.
 * @param askers keys of the sessions that asked for it and read what was removed
 */
export async function judgeWorktrees(
  ports: DispatchPorts,
  userId: string,
  jobIds: string[],
  askers: ReadonlySet<string> = new Set(),
): Promise<Map<string, Verdict>> {
  const verdicts = new Map<string, Verdict>()
  const rows = new Map((await readJobs(ports.sql, userId, jobIds)).map((row) => [row.id, row]))
  for (const jobId of jobIds) {
    const claim = ports.book.get(jobId)
    const row = rows.get(jobId)
    const isOver = row !== undefined && endOf(row.status) !== null
    const isHere = claim !== undefined && (LEASED.has(claim.state) || claim.state === 'lost')
    if (isHere && !(isOver && needsNoTelling(ports, claim, askers))) {
      const untold = 'it goes when its session has read that the job is over or another’s'
      const reason = claim.state === 'lost' ? untold : `the job is ${claim.state} here`
      verdicts.set(jobId, { action: 'keep', reason })
      continue
    }
    // Not a job of this user, or deleted: nothing proves that it is ours to judge.
    if (row === undefined) continue
    verdicts.set(jobId, verdictOf(row.status, row.workerInstanceId === ports.instanceId, claim))
  }
  return verdicts
}

/** A worktree does not go under a session that does not know that its job is over, or may still come back and ask. */
function needsNoTelling(
  { sessions, book }: DispatchPorts,
  claim: ClaimRecord,
  askers: ReadonlySet<string>,
): boolean {
  const { state, owner } = claim
  if ((state !== 'held' && state !== 'lost') || owner === null) return false
  // Its own report may have ended it, of which an earlier daemon took no note: the heartbeat finds out.
  if (state === 'held' && book.isInherited(claim)) return false
  return askers.has(owner.key) || goneMs(claim, sessions) > RECONNECT_MS
}

function endOf(status: string): (typeof ENDED)[number] | null {
  return ENDED.find((one) => one === status) ?? null
}

function verdictOf(
  status: string,
  claimedHere: boolean,
  claim:
    | { state: string; since: string; report: { status: string; branch: string | null } | null }
    | undefined,
): Verdict {
  const ended = endOf(status)
  if (ended !== null) {
    // Where another machine did it, the branch that counts is there.
    const reported = claim === undefined || (claim.report?.branch ?? null) !== null
    const keep = ended === 'DONE' && claimedHere && reported
    return { action: 'remove', branch: keep ? 'keep' : 'delete', reason: `the job is ${status}`, ended }
  }
  if (status === 'QUEUED') {
    const age = claim === undefined ? 0 : Date.now() - Date.parse(claim.since)
    return age > KEEP_RELEASED_MS
      ? { action: 'remove', branch: 'keep', reason: 'released more than 24 h ago', ended }
      : {
          action: 'keep',
          reason: 'the job waits in the queue; its worktree is handed over if it is claimed here again',
        }
  }
  return claimedHere
    ? { action: 'keep', reason: 'claimed under this machine’s name' }
    : { action: 'remove', branch: 'delete', reason: 'another worker has the job', ended }
}
