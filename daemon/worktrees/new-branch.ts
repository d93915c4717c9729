import type { Engine } from './engine.ts'
import type { GitCall } from './git/git.ts'
import { GitError } from './git/git-error.ts'
import { areAbsent } from './git/read-ref.ts'
import { createBranch } from './git/refs.ts'
import { listWorktrees, onClone, type Repository } from './git/repository.ts'
import { branchOf } from './layout.ts'
import { WorktreeError } from './worktree-error.ts'

export interface ChosenBranch {
  readonly branch: string
  readonly warnings: readonly string[]
}

/**
 * A name that neither the clone nor origin (as last fetched) has: an existing branch is never reused. The caller
 * holds the clone's lock.
 */
export async function chooseBranch(
  engine: Engine,
  repository: Repository,
  jobId: string,
  signal: AbortSignal,
): Promise<ChosenBranch> {
  const wanted = branchOf(jobId)
  const places = [`refs/heads/${wanted}`, `refs/remotes/origin/${wanted}`]
  if (await areAbsent(repository, places)) return { branch: wanted, warnings: [] }
  const call = onClone(repository, signal)
  const names = await takenNames(engine, call, places)
  if (!names.has(wanted)) return { branch: wanted, warnings: [] }
  const stamp = engine.now().toISOString().replace(/\D/g, '').slice(0, 14)
  let branch = `${wanted}-${stamp}`
  for (let count = 2; names.has(branch); count += 1) branch = `${wanted}-${stamp}-${count}`
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
      error instanceof GitError ? /'refs\/heads\/([^']+)' exists; cannot create/.exec(error.stderr) : null
    if (inTheWay === null) throw error
    throw new WorktreeError(
      `The branch ${inTheWay[1]} is in the way of ${branch}`,
      `Rename it in ${repository.root}; git cannot have both.`,
      { permanent: true, cause: error },
    )
  }
  throw new WorktreeError(`The branch ${branch} appeared a moment ago`, 'Ask again.', { permanent: false })
}

async function takenNames(
  engine: Engine,
  call: GitCall,
  prefixes: readonly string[],
): Promise<ReadonlySet<string>> {
  const patterns = prefixes.map((prefix) => `${prefix}*`)
  const listed = await engine.git.text(call, 'for-each-ref', '--format=%(refname)', ...patterns)
  return new Set(listed.split('\n').map((ref) => ref.replace(/^refs\/(heads|remotes\/origin)\//, '')))
}
