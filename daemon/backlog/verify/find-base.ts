import { DaemonError } from '../../errors.ts'
import type { Git } from './git.ts'

const CANDIDATES = [
  'refs/remotes/origin/HEAD',
  'refs/remotes/origin/main',
  'refs/remotes/origin/master',
  'refs/heads/main',
  'refs/heads/master',
]

/** The commit to compare with: the job's base, else the tip of the default branch as last fetched. */
export async function findBase(git: Git, directory: string, jobBase: string | undefined): Promise<string> {
  // From the database, and an argument of git: nothing but an object id may pass.
  if (jobBase !== undefined && /^[0-9a-f]{40}(?:[0-9a-f]{24})?$/.test(jobBase)) return jobBase
  const refs = await git(directory, ['for-each-ref', '--format=%(refname) %(objectname)', ...CANDIDATES])
  const byName = new Map(refs.split('\n').map((line) => [line.split(' ')[0], line.split(' ')[1]]))
  for (const name of CANDIDATES) {
    const sha = byName.get(name)
    if (sha !== undefined) return sha
  }
  throw new DaemonError(
    'CONFLICT',
    'it is not known which commit the work started from: there is no job and no default branch',
    'Claim the task with wait_for_job; its worktree records the base commit.',
  )
}
