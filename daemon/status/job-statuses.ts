import type { Dispatch } from '../dispatch/dispatch.ts'
import type { ClaimBook } from '../jobs/claim-book.ts'
import { LEASED } from '../jobs/claim-record.ts'
import type { JobStatus } from '../wire/status-report.ts'

export interface JobSources {
  readonly book: ClaimBook
  readonly dispatch: Dispatch
}

/** The jobs held here, and those that were lost and not yet cleared away; `spooled`: whose report waits on disk. */
export function jobStatuses({ book, dispatch }: JobSources, spooled: readonly string[]): JobStatus[] {
  return book
    .all()
    .filter((claim) => LEASED.has(claim.state) || claim.state === 'lost')
    .map((claim) => ({
      job_id: claim.identity.jobId,
      state: claim.state === 'held' && claim.running ? 'running' : claim.state,
      product_id: claim.productId,
      task: claim.taskLabel,
      session_id: claim.owner?.sessionId ?? null,
      worktree_path: claim.worktree?.path ?? null,
      branch: claim.worktree?.branch ?? null,
      claimed_at: `${claim.identity.claimedAt.replace(' ', 'T')}Z`,
      lease_until: dispatch.beats.leaseUntil(claim.identity.jobId),
      report_spooled: spooled.includes(claim.identity.jobId),
    }))
}
