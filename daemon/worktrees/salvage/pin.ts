import type { Engine } from '../engine.ts'
import { GitError } from '../git/git-error.ts'
import { lockOfRef } from '../git/refs.ts'
import { isPartialClone } from '../git/safe-config.ts'
import { lstatOrNull } from '../lstat-or-null.ts'
import { SALVAGE_PREFIX, salvageRef } from './manifest.ts'
import type { WorktreeGit } from './worktree-git.ts'

export interface PinnedSave {
  /** The commit whose tree is the work tree. */
  readonly work: string
  /** Trees of work, index and state. */
  readonly trees: readonly [string, string, string]
  /** Every commit that the save keeps. */
  readonly parents: readonly string[]
}

/**
 * Makes the next numbered ref, or answers the newest one if it holds exactly the same. Refs are created, never
 * updated: an earlier save stays what it was. Then checks that all of it can be read, since a person's
 * `gc --prune=now` may have run between writing the objects and naming them.
 */
export function pin(engine: Engine, git: WorktreeGit, jobId: string, save: PinnedSave): Promise<string> {
  const { commonDir, zeroId } = git.place.repository
  return engine.lock.run(commonDir, engine.stopping, async () => {
    const newest = await newestSave(git, jobId)
    if (newest !== null && (await holdsSame(git, newest, save))) return salvageRef(jobId, newest.n)
    const ref = await freeRef(git, jobId, (newest?.n ?? 0) + 1)
    await git.run({}, 'update-ref', '-m', 'salvage', ref, save.work, zeroId)
    try {
      await verify(git, save)
    } catch (error) {
      await git.run({}, 'update-ref', '-d', ref, save.work)
      throw error
    }
    return ref
  })
}

/** A git that was killed may have left its lock of a ref; nobody else makes these while we hold the clone's. */
async function freeRef(git: WorktreeGit, jobId: string, from: number): Promise<string> {
  for (let n = from; ; n += 1) {
    const ref = salvageRef(jobId, n)
    if ((await lstatOrNull(lockOfRef(git.place.repository, ref))) === null) return ref
  }
}

interface Earlier {
  readonly n: number
  readonly tree: string
  readonly parents: readonly string[]
}

/** The save of a job with the highest number. */
async function newestSave(git: WorktreeGit, jobId: string): Promise<Earlier | null> {
  const prefix = `${SALVAGE_PREFIX}${jobId}/`
  const lines = await git.lines({}, 'for-each-ref', '--format=%(refname) %(tree) %(parent)', prefix)
  const saves = lines
    .map((line) => {
      const [ref = '', tree = '', ...parents] = line.trimEnd().split(' ')
      return { n: Number(ref.slice(prefix.length)), tree, parents }
    })
    .filter(({ n }) => Number.isSafeInteger(n))
  return saves.sort((a, b) => a.n - b.n).at(-1) ?? null
}

async function holdsSame(git: WorktreeGit, earlier: Earlier, save: PinnedSave): Promise<boolean> {
  const [index, state] = earlier.parents.slice(-2)
  if (index === undefined || state === undefined || earlier.tree !== save.trees[0]) return false
  const args = ['--no-walk=unsorted', '--format=%T %P', index, state]
  const [, indexLine = '', , stateLine = ''] = await git.lines({}, 'rev-list', ...args)
  const [indexTree] = indexLine.split(' ')
  const [stateTree, ...stateParents] = stateLine.trimEnd().split(' ')
  const kept = new Set([...earlier.parents.slice(0, -2), ...stateParents])
  return (
    indexTree === save.trees[1] &&
    stateTree === save.trees[2] &&
    kept.size === new Set(save.parents).size &&
    save.parents.every((parent) => kept.has(parent))
  )
}

/** Walks everything that only the save holds; throws when an object is missing. */
async function verify(git: WorktreeGit, save: PinnedSave): Promise<void> {
  const missing = isPartialClone(git.place.repository.config) ? ['--missing=allow-promisor'] : []
  try {
    await git.run({}, 'rev-list', '--objects', '--quiet', ...missing, save.work, '--not', '--remotes')
  } catch (error) {
    if (!(error instanceof GitError)) throw error
    throw new Error(`what was saved cannot be read back (${error.message})`, { cause: error })
  }
}
