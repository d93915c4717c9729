import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { unlessMissing } from '../../errors.ts'
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
  /** Where the job began, if that is known: what came before is no work of the job. */
  readonly base: string | null
}

/**
 * Makes the next numbered ref, or answers the newest one if it holds exactly the same. Refs are created, never
 * updated: an earlier save stays what it was. Before that all of it is read, which may take long and holds up nobody:
 * what an agent's git wrote just before a power cut is often empty after it. Then it is looked through once more,
 * because a person's `gc --prune=now` may have run between writing the objects and naming them.
 */
export async function pin(
  engine: Engine,
  git: WorktreeGit,
  jobId: string,
  save: PinnedSave,
): Promise<string> {
  const { commonDir, zeroId } = git.place.repository
  // What came before the job may have gone with a rewritten history; nothing is left out for it then.
  const base = await commitOrNull(git, save.base)
  await flush(git, await objectsOf(git, save.work, base, '--verify-objects'))
  return engine.lock.run(commonDir, engine.stopping, async () => {
    const newest = await newestSave(git, jobId)
    if (newest !== null && (await holdsSame(git, newest, save))) {
      const ref = salvageRef(jobId, newest.n)
      await objectsOf(git, ref, base, '--quiet')
      return ref
    }
    const ref = await freeRef(git, jobId, (newest?.n ?? 0) + 1)
    await git.run({}, 'update-ref', '-m', 'salvage', ref, save.work, zeroId)
    try {
      await objectsOf(git, save.work, base, '--quiet')
    } catch (error) {
      await git.run({}, 'update-ref', '-d', ref, save.work)
      throw error
    }
    return ref
  })
}

/**
 * A git that was killed may have left its lock of a ref, and a power cut an empty file, which git does not list and
 * cannot write over; nobody else makes these while we hold the clone's.
 */
async function freeRef(git: WorktreeGit, jobId: string, from: number): Promise<string> {
  const { repository } = git.place
  for (let n = from; ; n += 1) {
    const ref = salvageRef(jobId, n)
    const inTheWay = [lockOfRef(repository, ref), join(repository.commonDir, ref)].map(lstatOrNull)
    if ((await Promise.all(inTheWay)).every((found) => found === null)) return ref
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

/**
 * Ids of everything that only the save holds (none with `--quiet`); throws when one is missing, or, with
 * `--verify-objects`, is not what its name says.
 */
async function objectsOf(
  git: WorktreeGit,
  work: string,
  base: string | null,
  how: '--quiet' | '--verify-objects',
): Promise<readonly string[]> {
  const missing = isPartialClone(git.place.repository.config) ? ['--missing=allow-promisor'] : []
  const elsewhere = ['--not', '--remotes', ...(base === null ? [] : [base])]
  const args = ['--objects', how, '--no-object-names', ...missing, work, ...elsewhere]
  try {
    const { stdout, stderr } = await git.run({ real: true }, 'rev-list', ...args)
    const ids: readonly string[] = stdout.toString('latin1').match(/^[0-9a-f]{40,64}$/gm) ?? []
    if (complainsOf(ids, stderr)) throw new GitError('rev-list', 0, stderr)
    return ids
  } catch (error) {
    if (!(error instanceof GitError)) throw error
    throw new Error(`what was saved cannot be read back (${error.message})`, { cause: error })
  }
}

/**
 * Of an object whose content is not what its name says git complains, and goes on; 2.55 also of one that is empty. Of
 * an alternate that is away, or a broken pack that nobody needs, it complains as well.
 */
function complainsOf(ids: readonly string[], stderr: string): boolean {
  const complaints = stderr.split('\n').filter((line) => line.startsWith('error: '))
  // A loose object's file has its id with a slash in it.
  const named = complaints.map((line) => line.replaceAll('/', ''))
  return named.some((line) => line.includes('hash mismatch') || ids.some((id) => line.includes(id)))
}

async function commitOrNull(git: WorktreeGit, id: string | null): Promise<string | null> {
  if (id === null) return null
  const { code } = await git.run({ expect: [0, 1, 128] }, 'cat-file', '-e', `${id}^{commit}`)
  return code === 0 ? id : null
}

const AT_A_TIME = 16

/** An agent's git leaves its objects to the kernel's memory; the files that they are made of go in a moment. */
async function flush(git: WorktreeGit, ids: readonly string[]): Promise<void> {
  const objects = join(git.place.repository.commonDir, 'objects')
  for (let start = 0; start < ids.length; start += AT_A_TIME) {
    const batch = ids.slice(start, start + AT_A_TIME)
    await Promise.all(batch.map((id) => flushFile(join(objects, id.slice(0, 2), id.slice(2)))))
  }
}

async function flushFile(path: string): Promise<void> {
  // Those in packs git has flushed itself.
  const handle = await open(path, 'r').catch(unlessMissing(null))
  if (handle === null) return
  try {
    await handle.datasync()
  } finally {
    await handle.close()
  }
}
