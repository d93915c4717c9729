import { codeOf, DaemonError } from '../errors.ts'
import { GitError } from './git/git-error.ts'

/**
 * Why a job could not get its worktree. `permanent`: it will fail again on this machine until a person
 * changes something (no commit, not a repository); otherwise trying again may help.
 */
export class WorktreeError extends DaemonError {
  readonly permanent: boolean

  constructor(
    message: string,
    remedy: string,
    options: { readonly permanent: boolean; readonly cause?: unknown },
  ) {
    super('WORKTREE_FAILED', message, remedy, options.cause)
    this.name = 'WorktreeError'
    this.permanent = options.permanent
  }
}

export function diskLow(message: string, cause?: unknown): DaemonError {
  return new DaemonError(
    'DISK_LOW',
    message,
    'Free some space; `scrum4me-daemon worktrees` shows what the worktrees use. The job stays queued.',
    cause,
  )
}

/** What went wrong in git, told as a failure of this job's worktree. `isFull`: the disk was found to be. */
export function fromGit(doing: string, error: unknown, isFull = false): unknown {
  const saysFull =
    error instanceof GitError ? error.isDiskFull : ['ENOSPC', 'EDQUOT'].includes(codeOf(error) ?? '')
  if (isFull || saysFull)
    return diskLow(`The disk ran full while ${doing}; everything is as it was before`, error)
  if (!(error instanceof GitError)) return error
  const permanent = error.why === 'failed' && !error.isTransient
  return new WorktreeError(
    `${doing} failed: ${error.message}; nothing was left behind`,
    permanent
      ? 'Run the same git command in that repository to see what it needs.'
      : 'Ask again; if it stays so, `scrum4me-daemon doctor` checks every clone.',
    { permanent, cause: error },
  )
}
