import type { Engine } from '../engine.ts'
import { GitError } from '../git/git-error.ts'
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
    const numbers = await savedNumbers(git, jobId)
    const newest = numbers.at(-1)
    if (newest !== undefined && (await holdsSame(git, salvageRef(jobId, newest), save))) {
      return salvageRef(jobId, newest)
    }
    const ref = salvageRef(jobId, (newest ?? 0) + 1)
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

/** Numbers of the saves of a job, ascending. */
async function savedNumbers(git: WorktreeGit, jobId: string): Promise<number[]> {
  const prefix = `${SALVAGE_PREFIX}${jobId}/`
  const refs = await git.lines({}, 'for-each-ref', '--format=%(refname)', prefix)
  return refs
    .map((ref) => Number(ref.slice(prefix.length)))
    .filter((n) => Number.isSafeInteger(n))
    .sort((a, b) => a - b)
}

async function holdsSame(git: WorktreeGit, ref: string, save: PinnedSave): Promise<boolean> {
  const [, ...parents] = (await git.text({}, 'rev-list', '--parents', '--max-count=1', ref)).split(' ')
  const [index, state] = parents.slice(-2)
  if (index === undefined || state === undefined) return false
  const trees = await git.lines({}, 'rev-parse', `${ref}^{tree}`, `${index}^{tree}`, `${state}^{tree}`)
  const [, ...stateParents] = (await git.text({}, 'rev-list', '--parents', '--max-count=1', state)).split(' ')
  const kept = new Set([...parents.slice(0, -2), ...stateParents])
  return (
    trees.join() === save.trees.join() &&
    kept.size === new Set(save.parents).size &&
    save.parents.every((parent) => kept.has(parent))
  )
}

/** Walks everything that only the save holds; throws when an object is missing. */
async function verify(git: WorktreeGit, save: PinnedSave): Promise<void> {
  const isPartial = git.place.repository.config.some((entry) => /^remote\..*\.promisor$/s.test(entry.key))
  const missing = isPartial ? ['--missing=allow-promisor'] : []
  try {
    await git.run({}, 'rev-list', '--objects', '--quiet', ...missing, save.work, '--not', '--remotes')
  } catch (error) {
    if (!(error instanceof GitError)) throw error
    throw new Error(`what was saved cannot be read back (${error.message})`, { cause: error })
  }
}
