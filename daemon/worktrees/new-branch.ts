import type { Engine } from './engine.ts'
import { GitError } from './git/git-error.ts'
import { createBranch } from './git/refs.ts'
import { listWorktrees, onClone, type Repository } from './git/repository.ts'
import { branchOf } from './layout.ts'
import { WorktreeError } from './worktree-error.ts'

/** A name that neither the clone nor origin (as last fetched) has: an existing branch is never reused. */
export async function chooseBranch(
  engine: Engine,
  repository: Repository,
  jobId: string,
  signal: AbortSignal,
): Promise<{ branch: string; warnings: string[] }> {
  const wanted = branchOf(jobId)
  const call = onClone(repository, signal)
  const listed = await engine.git.text(
    call,
    'for-each-ref',
    '--format=%(refname)',
    `refs/heads/${wanted}*`,
    `refs/remotes/origin/${wanted}*`,
  )
  const taken = new Set(listed.split('\n').map((ref) => ref.replace(/^refs\/(heads|remotes\/origin)\//, '')))
  if (!taken.has(wanted)) return { branch: wanted, warnings: [] }
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
