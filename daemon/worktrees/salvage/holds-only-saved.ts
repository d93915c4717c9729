import { mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { ListedWorktree } from '../git/worktree-list.ts'
import { type BytePath, fields, quoted, toBytes } from './bytes.ts'
import type { SavedWork } from './saved-work.ts'
import type { WorktreeGit } from './worktree-git.ts'

/**
 * Whether a worktree has no commit and no file that one of `saves` has not: somebody may have found it before we did,
 * and worked in it. What is missing or not yet there counts for nothing. A nested repository counts as somebody's.
 */
export async function holdsOnlySaved(
  git: WorktreeGit,
  listed: ListedWorktree,
  saves: readonly SavedWork[],
): Promise<boolean> {
  for (const save of saves) if (await isPartOf(git, listed, save)) return true
  return false
}

async function isPartOf(git: WorktreeGit, listed: ListedWorktree, save: SavedWork): Promise<boolean> {
  const { head, branch } = listed
  const ours = save.branch ?? `restored/${save.jobId}`
  if (branch !== null && branch !== ours && !branch.startsWith(`${ours}-restored`)) return false
  const isUnborn = head === null || head === git.place.repository.zeroId
  // The commit that was checked out comes first, if there was one; index and state are the last two.
  const [, ...parents] = (await git.text({}, 'rev-list', '--parents', '--max-count=1', save.ref)).split(' ')
  const savedHead = parents.length > 2 ? parents[0] : save.ref
  if (!isUnborn && head !== (await git.text({}, 'rev-parse', '--verify', `${savedHead}^{commit}`)))
    return false

  const scratch = await mkdtemp(join(git.place.adminDir, 'scrum4me-compare-'))
  try {
    const index = join(scratch, 'index')
    const changed = await changedFiles(git, index, save.ref)
    const isThere = await areExactly(git, changed, save.ref)
    return isThere && (await git.run({ index }, 'ls-files', '--others', '-z')).stdout.length === 0
  } finally {
    await rm(scratch, { recursive: true, force: true })
  }
}

/** Files that are there, and are not what a checkout of the save would make. */
async function changedFiles(git: WorktreeGit, index: string, ref: string): Promise<BytePath[]> {
  await git.run({ index }, 'read-tree', ref)
  await git.withFilters({ index, expect: [0, 1] }, 'update-index', '-q', '--refresh')
  const options = ['--name-only', '-z', '--diff-filter=AMT', '--ignore-submodules=all']
  return fields((await git.withFilters({ index }, 'diff-files', ...options)).stdout)
}

/**
 * Whether files have the very bytes that the save has: those were put back past every filter. An empty one is what a
 * killed checkout leaves of the file that it was about to write, and holds nobody's work.
 */
async function areExactly(git: WorktreeGit, paths: readonly BytePath[], ref: string): Promise<boolean> {
  if (paths.length === 0) return true
  const input = toBytes(paths.map((path) => `${quoted(path)}\n`).join(''))
  const ids = await git.lines({ input }, 'hash-object', '--no-filters', '--stdin-paths')
  const { stdout } = await git.run({}, 'ls-tree', '-r', '-z', '--full-tree', ref)
  const saved = new Set(fields(stdout))
  const [empty] = await git.lines({ input: Buffer.alloc(0) }, 'hash-object', '--stdin')
  return paths.every(
    (path, at) =>
      ids[at] === empty || ['100644', '100755'].some((mode) => saved.has(`${mode} blob ${ids[at]}\t${path}`)),
  )
}
