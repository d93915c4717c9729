import type { ClaimRecord } from '../jobs/claim-record.ts'
import { inTime } from '../lifecycle/in-time.ts'
import { lstatOrNull } from '../worktrees/lstat-or-null.ts'

/** A disk that does not answer keeps nobody from the job, ms. */
const LOOK_MS = 1_000

/**
 * The answer for a session that asks for the job it holds. A worktree that is gone meanwhile is told and not made
 * anew: its disk may only not be mounted, and then the work in it would be hidden.
 */
export async function answerAgain({
  identity,
  answer,
  worktree,
}: ClaimRecord): Promise<ClaimRecord['answer']> {
  if (worktree === null || !(await isGone(worktree.path))) return answer
  const { warnings } = answer
  const warning = `${worktree.path} is not there any more: it was deleted, or its disk is not mounted. What was committed is on ${worktree.branch}. If it was deleted, \`scrum4me-daemon jobs release ${identity.jobId}\` gives the job back, and whoever claims it gets a new worktree.`
  return { ...answer, warnings: [...(Array.isArray(warnings) ? warnings : []), warning] }
}

async function isGone(path: string): Promise<boolean> {
  const seen = await inTime(lstatOrNull(path), LOOK_MS).catch(() => 'unknown')
  return seen === null
}
