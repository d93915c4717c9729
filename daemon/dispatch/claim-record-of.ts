import type { ClaimedJob } from '../jobs/claim.ts'
import type { ClaimRecord } from '../jobs/claim-record.ts'

/** What is noted of a job just claimed; `before`: what was remembered of it here until now. */
export function claimRecordOf(
  claimed: ClaimedJob,
  on: Pick<ClaimRecord, 'userId' | 'repoRoot' | 'owner'> & { readonly before: ClaimRecord | undefined },
): ClaimRecord {
  const { userId, repoRoot, owner, before } = on
  return {
    identity: claimed.identity,
    state: 'preparing',
    since: new Date().toISOString(),
    userId,
    productId: claimed.productId,
    taskLabel: String(claimed.task?.code ?? claimed.taskId),
    repoRoot,
    owner,
    earlier: [],
    delivered: false,
    // Whatever became of that claim (released, lost to another machine and back): a session had the job here.
    worked: before !== undefined && (before.worked || before.delivered),
    running: false,
    worktree: null,
    answer: {
      job_id: claimed.identity.jobId,
      attempt: claimed.attempt,
      task: claimed.task,
      story: claimed.story,
      pbi: claimed.pbi,
      sprint: claimed.sprint,
      product: claimed.product,
      plan_snapshot: claimed.planSnapshot,
    },
    releasedAt: null,
    report: null,
    result: null,
    lost: null,
  }
}
