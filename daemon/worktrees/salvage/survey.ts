import type { BigIntStats } from 'node:fs'
import { lstat } from 'node:fs/promises'
import { codeOf } from '../../errors.ts'
import { type BytePath, below, fields } from './bytes.ts'
import { type IndexEntry, listIndex, listUntracked } from './index-listing.ts'
import { refuseUnreadable } from './unreadable.ts'
import type { WorktreeGit } from './worktree-git.ts'

export interface DiskEntry {
  readonly path: BytePath
  /** `special`: a FIFO, socket or device, which git cannot hold. `missing`: tracked, but not on disk. */
  readonly kind: 'file' | 'symlink' | 'missing' | 'special'
  readonly executable: boolean
  readonly size: number
  /**
   * Set: git calls it unchanged, with this blob in the index, but it is not as in the base. If its bytes differ
   * all the same (line ends that git normalised when it was added), they are kept beside the work tree.
   */
  readonly unchangedFrom: string | null
}

export interface Survey {
  readonly entries: readonly DiskEntry[]
  /** Untracked directories that are repositories of their own. */
  readonly nested: readonly BytePath[]
  /** Submodules of the index that are directories on disk: path and recorded commit. */
  readonly gitlinks: ReadonlyMap<BytePath, string>
  readonly unmerged: readonly IndexEntry[]
  /** Skip-worktree paths that are on disk all the same. */
  readonly skippedButThere: readonly BytePath[]
  /** True while no file, nothing of the index and not HEAD has changed, the files being at `path` now. */
  readonly isStillSo: (git: WorktreeGit) => Promise<boolean>
}

/** Which paths to look at, and what is known of them from the index. */
interface Index {
  /** Path to the blob it is unchanged from, null for a change. */
  readonly paths: ReadonlyMap<BytePath, string | null>
  readonly gitlinks: ReadonlyMap<BytePath, string>
  readonly skipped: ReadonlySet<BytePath>
}

interface OnDisk {
  readonly entries: DiskEntry[]
  readonly nested: BytePath[]
  /** Those of the index that are directories. */
  readonly gitlinks: Map<BytePath, string>
  readonly skippedButThere: BytePath[]
  /** Changes whenever one of the files does, or there are others. */
  readonly print: string
}

/**
 * What is on disk and not exactly what the index says, by stat data and without running a filter. Reads the
 * worktree's own index, not a copy: git tells a file that changed in the very second the index was written
 * only by the index file's own time.
 * `prepared`: untracked files that are no work while their stat data are these.
 * `baseSha`: what is the same in index and base came from the checkout and comes back the same way.
 * `head`: the commit HEAD is at, null when there is none; it was asked after `adminStamp` was.
 */
export async function survey(
  git: WorktreeGit,
  subject: {
    readonly baseSha: string | null
    readonly prepared?: Readonly<Record<string, string>> | undefined
  },
  before: { readonly head: string | null; readonly stamp: string },
): Promise<Survey> {
  const { baseSha, prepared = {} } = subject
  const hasFiles = git.place.path !== null
  const listing = await listIndex(git, hasFiles && baseSha === null)
  const { gitlinks, unmerged, hidden } = listing
  const paths = new Map<BytePath, string | null>()
  if (hasFiles) {
    const touched = baseSha === null ? listing.all : await unlikeBase(git, baseSha)
    for (const { path, id } of touched) if (!gitlinks.has(path)) paths.set(path, id)
  }
  for (const { path } of unmerged) paths.set(path, null)
  if (hasFiles) for (const { path } of hidden) if (!gitlinks.has(path)) paths.set(path, null)
  const skipped = new Set(hidden.filter((entry) => entry.skipped).map((entry) => entry.path))
  const index: Index = { paths, gitlinks, skipped }
  const { print, ...found } = await onDisk(git, index, listing.untracked, prepared)

  const isStillSo = async (now: WorktreeGit): Promise<boolean> => {
    // Index, HEAD and its log are files that are replaced whole; while they are the same, so is what git read in them.
    if ((await adminStamp(now)) !== before.stamp) return false
    const head = await now.text({ expect: [0, 1, 128] }, 'rev-parse', '--verify', '--quiet', 'HEAD^{commit}')
    if (head !== (before.head ?? '')) return false
    const untracked = now.place.path === null ? [] : await listUntracked(now)
    return (await onDisk(now, index, untracked, prepared)).print === print
  }
  return { ...found, unmerged, isStillSo }
}

/** Changes whenever the index, HEAD or its log does. */
export async function adminStamp(git: WorktreeGit): Promise<string> {
  const names = ['index', 'HEAD', 'logs/HEAD', 'reftable/tables.list']
  const prints = await Promise.all(
    names.map(async (name) => printOf(await statOf(Buffer.from(`${git.place.adminDir}/${name}`)))),
  )
  return prints.join('\n')
}

/** Looks at the paths the index names, at those whose stat data differ from it, and at what is untracked. */
async function onDisk(
  git: WorktreeGit,
  index: Index,
  untracked: readonly BytePath[],
  prepared: Readonly<Record<string, string>>,
): Promise<OnDisk> {
  const found: OnDisk = { entries: [], nested: [], gitlinks: new Map(), skippedButThere: [], print: '' }
  const root = git.place.path
  if (root === null) return found
  const changed = new Map(index.paths)
  for (const path of await statChanged(git)) if (!index.gitlinks.has(path)) changed.set(path, null)
  for (const path of untracked) {
    if (path.endsWith('/')) found.nested.push(path.slice(0, -1))
    else changed.set(path, null)
  }
  // git lists nothing at or below the path of a submodule, whatever is there instead.
  for (const [path, recorded] of index.gitlinks) {
    const stats = await statOf(below(root, path))
    if (stats === null || (await isBehindSymlink(root, path))) continue
    if (stats.isDirectory()) found.gitlinks.set(path, recorded)
    else changed.set(path, null)
  }
  const prints: string[] = []
  for (const batch of batches([...changed], 64)) {
    const looked = await Promise.all(batch.map(([path, id]) => look(root, path, id)))
    for (const { entry, print } of looked) {
      if (prepared[entry.path] === print) continue
      // A sparse checkout leaves files out on purpose.
      if (index.skipped.has(entry.path) && entry.kind === 'missing') continue
      if (index.skipped.has(entry.path)) found.skippedButThere.push(entry.path)
      found.entries.push(entry)
      prints.push(`${entry.path} ${print}`)
    }
  }
  const repositories = [...found.nested, ...found.gitlinks.keys()]
  return { ...found, print: [...prints.sort(), ...repositories.sort()].join('\n') }
}

/** A directory above it was replaced by a symlink, which stands for itself. */
async function isBehindSymlink(root: string, path: BytePath): Promise<boolean> {
  for (let end = path.indexOf('/'); end > 0; end = path.indexOf('/', end + 1)) {
    if ((await statOf(below(root, path.slice(0, end))))?.isSymbolicLink()) return true
  }
  return false
}

async function look(
  root: string,
  path: BytePath,
  unchangedFrom: string | null,
): Promise<{ entry: DiskEntry; print: string }> {
  const stats = await statOf(below(root, path))
  const kind = kindOf(stats)
  const entry: DiskEntry = {
    path,
    kind,
    executable: stats !== null && (stats.mode & 0o100n) !== 0n,
    size: kind === 'file' ? Number(stats?.size ?? 0) : 0,
    unchangedFrom,
  }
  return { entry, print: printOf(stats) }
}

/** A directory where a file was: its files are untracked and stand for themselves. */
function kindOf(stats: BigIntStats | null): DiskEntry['kind'] {
  if (stats === null || stats.isDirectory()) return 'missing'
  if (stats.isSymbolicLink()) return 'symlink'
  return stats.isFile() ? 'file' : 'special'
}

async function statOf(path: Buffer): Promise<BigIntStats | null> {
  try {
    return await lstat(path, { bigint: true })
  } catch (error) {
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') return null
    throw error
  }
}

/** Changes whenever a file is written, replaced or made another kind of file. */
export function printOf(stats: BigIntStats | null): string {
  return stats === null ? '-' : `${stats.ino} ${stats.mode} ${stats.size} ${stats.mtimeNs} ${stats.ctimeNs}`
}

/** Tracked files whose stat data differ from the index. */
async function statChanged(git: WorktreeGit): Promise<BytePath[]> {
  const args = ['diff-files', '--name-only', '-z', '--no-renames', '--ignore-submodules=all']
  const { stdout, stderr } = await git.run({}, ...args)
  refuseUnreadable(stderr)
  return fields(stdout)
}

/** Tracked files that are not as in the base: git may have normalised line ends when they were added. */
async function unlikeBase(git: WorktreeGit, baseSha: string): Promise<{ path: BytePath; id: string }[]> {
  const args = ['--cached', '--raw', '-z', '--no-abbrev', '--no-renames', '--ignore-submodules=all', baseSha]
  const raw = fields((await git.run({}, 'diff-index', ...args)).stdout)
  const found: { path: BytePath; id: string }[] = []
  // `:<mode> <mode> <id> <id> <status>`, then the path as a field of its own.
  for (let index = 0; index + 1 < raw.length; index += 2) {
    const [, , , id = '', status = ''] = (raw[index] ?? '').split(' ')
    if (status !== 'D') found.push({ path: raw[index + 1] ?? '', id })
  }
  return found
}

function* batches<T>(items: readonly T[], size: number): Generator<readonly T[]> {
  for (let start = 0; start < items.length; start += size) yield items.slice(start, start + size)
}
