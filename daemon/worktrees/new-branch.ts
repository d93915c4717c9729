import type { Engine } from './engine.ts'
import { GitError } from './git/git-error.ts'
import { isAbsent } from './git/read-ref.ts'
import { createBranch } from './git/refs.ts'
import { listWorktrees, onClone, type Repository } from './git/repository.ts'
import { branchOf } from './layout.ts'
import { WorktreeError } from './worktree-error.ts'

/** Names like the job's that the clone or origin (as last fetched) has. Asked early: it waits for nothing else. */
export async function takenNames(
  engine: Engine,
  repoRoot: string,
  jobId: string,
  signal: AbortSignal,
): Promise<ReadonlySet<string>> {
  const wanted = branchOf(jobId)
  const listed = await engine.git.text(
    { dir: repoRoot, signal },
    'for-each-ref',
    '--format=%(refname)',
    `refs/heads/${wanted}*`,
    `refs/remotes/origin/${wanted}*`,
  )
  return new Set(listed.split('\n').map((ref) => ref.replace(/^refs\/(heads|remotes\/origin)\//, '')))
}

/**
 * A name that neither the clone nor origin (as last fetched) has: an existing branch is never reused. The caller
 * holds the clone's lock; `early` was asked before, and other jobs may have made branches since.
 */
export async function chooseBranch(
  engine: Engine,
  repository: Repository,
  jobId: string,
  early: ReadonlySet<string>,
  signal: AbortSignal,
): Promise<{ branch: string; warnings: string[] }> {
  const wanted = branchOf(jobId)
  if (!early.has(wanted) && (await isAbsent(repository, `refs/heads/${wanted}`)))
    return { branch: wanted, warnings: [] }
  const taken = await takenNames(engine, repository.root, jobId, signal)
  if (!taken.has(wanted)) return { branch: wanted, warnings: [] }
  const call = onClone(repository, signal)
  const stamp = engine.now().toISOString().replace(/\D/g, '').slice(0, 14)
  let branch = `${wanted}-${stamp}`
  for (let count = 2; taken.has(branch); count += 1) branch = `${wanted}-${stamp}-${count}`
  const holder = (await listWorktrees(engine.git, call)).find((worktree) => worktree.branch === wanted)
  const where = holder === undefined ? '' : ` (checked out at ${holder.path})`
  return { branch, warnings: [`branch ${wanted} exists already${where}, so this job has ${branch}`] }
}

/** Makes the branch that was chosen under the same hold of the clone's lock. */
export async function makeBranch(
  engine: Engine,
  repository: Repository,
  branch: string,
  sha: string,
  signal: AbortSignal,
): Promise<void> {
  try {
    if (await createBranch(engine.git, onClone(repository, signal), branch, sha, repository.zeroId)) return
  } catch (error) {
    const inTheWay =
      error instanceof GitError ? /'refs\/heads\/(.+)' exists; cannot create/.exec(error.stderr) : null
    if (inTheWay === null) throw error
    throw new WorktreeError(
      `The branch ${inTheWay[1]} is in the way of ${branch}`,
      `Rename it in ${repository.root}; git cannot have both.`,
      { permanent: true, cause: error },
    )
  }
  throw new WorktreeError(`The branch ${branch} appeared a moment ago`, 'Ask again.', { permanent: false })
}
