import type { BigIntStats } from 'node:fs'
import { lstat } from 'node:fs/promises'
import { codeOf } from '../../errors.ts'
import { type BytePath, below, fields } from './bytes.ts'
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
  /** Submodules of the index: path and recorded commit. */
  readonly gitlinks: ReadonlyMap<BytePath, string>
  readonly unmerged: readonly UnmergedEntry[]
  /** Skip-worktree paths that are on disk all the same. */
  readonly skippedButThere: readonly BytePath[]
  /** Changes whenever a file, the index or HEAD changes. */
  readonly fingerprint: string
}

export interface UnmergedEntry {
  readonly mode: string
  readonly id: string
  readonly stage: number
  readonly path: BytePath
}

/**
 * What is on disk and not exactly what the index says, by stat data and without running a filter. Reads the
 * worktree's own index, not a copy: git tells a file that changed in the very second the index was written
 * only by the index file's own time.
 * `prepared`: untracked files that are no work while their stat data are these.
 * `baseSha`: what is the same in index and base came from the checkout and comes back the same way.
 */
export async function survey(
  git: WorktreeGit,
  baseSha: string | null,
  prepared: Readonly<Record<string, string>> = {},
): Promise<Survey> {
  /** Path to the blob it is unchanged from, null for a change. */
  const changed = new Map<BytePath, string | null>()
  const gitlinks = await submodules(git)
  if (git.place.path !== null) {
    for (const { path, id } of await touched(git, baseSha)) if (!gitlinks.has(path)) changed.set(path, id)
    for (const path of await statChanged(git)) if (!gitlinks.has(path)) changed.set(path, null)
  }
  const unmerged = await unmergedEntries(git)
  for (const { path } of unmerged) changed.set(path, null)
  const skippedButThere: BytePath[] = []
  const nested: BytePath[] = []
  const entries: DiskEntry[] = []
  const prints: string[] = []
  const root = git.place.path
  if (root !== null) {
    const hidden = await hiddenPaths(git)
    for (const { path } of hidden) if (!gitlinks.has(path)) changed.set(path, null)
    for (const path of await untracked(git)) {
      if (path.endsWith('/')) nested.push(path.slice(0, -1))
      else changed.set(path, null)
    }
    const skipped = new Set(hidden.filter((entry) => entry.skipped).map((entry) => entry.path))
    for (const batch of batches([...changed], 64)) {
      const looked = await Promise.all(batch.map(([path, id]) => look(root, path, id)))
      for (const { entry, print } of looked) {
        if (prepared[entry.path] === print) continue
        // A sparse checkout leaves files out on purpose.
        if (skipped.has(entry.path) && entry.kind === 'missing') continue
        if (skipped.has(entry.path)) skippedButThere.push(entry.path)
        entries.push(entry)
        prints.push(`${entry.path} ${print}`)
      }
    }
  }
  const head = await git.text({ expect: [0, 1, 128] }, 'rev-parse', '--verify', '--quiet', 'HEAD')
  const admin = await Promise.all(
    ['index', 'HEAD', 'logs/HEAD'].map((name) => stamp(Buffer.from(`${git.place.adminDir}/${name}`))),
  )
  const fingerprint = [head, ...admin, ...prints.sort(), ...[...nested].sort()].join('\n')
  return { entries, nested, gitlinks, unmerged, skippedButThere, fingerprint }
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

async function stamp(path: Buffer): Promise<string> {
  return printOf(await statOf(path))
}

/** Changes whenever a file is written, replaced or made another kind of file. */
export function printOf(stats: BigIntStats | null): string {
  return stats === null ? '-' : `${stats.ino} ${stats.mode} ${stats.size} ${stats.mtimeNs} ${stats.ctimeNs}`
}

/** Tracked files whose stat data differ from the index. */
async function statChanged(git: WorktreeGit): Promise<BytePath[]> {
  const args = ['diff-files', '--name-only', '-z', '--no-renames', '--ignore-submodules=all']
  return fields((await git.run({}, ...args)).stdout)
}

/** Tracked files that are not as in the base: git may have normalised line ends when they were added. */
async function touched(git: WorktreeGit, baseSha: string | null): Promise<{ path: BytePath; id: string }[]> {
  if (baseSha === null) return fields((await git.run({}, 'ls-files', '--stage', '-z')).stdout).map(parseStage)
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

async function untracked(git: WorktreeGit): Promise<BytePath[]> {
  return fields((await git.run({}, 'ls-files', '--others', '--exclude-standard', '-z')).stdout)
}

/** Paths that git was told not to look at: assume-unchanged (a lower-case tag), skip-worktree (S). */
async function hiddenPaths(git: WorktreeGit): Promise<{ path: BytePath; skipped: boolean }[]> {
  const isLower = (byte: number) => byte >= 0x61 && byte <= 0x7a
  const { stdout } = await git.run({}, 'ls-files', '-v', '-z')
  return fields(stdout, (byte) => isLower(byte) || byte === 0x53).map((line) => ({
    path: line.slice(2),
    skipped: line.startsWith('S') || line.startsWith('s'),
  }))
}

async function submodules(git: WorktreeGit): Promise<Map<BytePath, string>> {
  const { stdout } = await git.run({}, 'ls-files', '--stage', '-z')
  return new Map(
    fields(stdout, (byte) => byte === 0x31)
      .filter((line) => line.startsWith('160000 '))
      .map((line): [BytePath, string] => {
        const entry = parseStage(line)
        return [entry.path, entry.id]
      }),
  )
}

async function unmergedEntries(git: WorktreeGit): Promise<UnmergedEntry[]> {
  return fields((await git.run({}, 'ls-files', '--unmerged', '-z')).stdout).map(parseStage)
}

/** `<mode> <id> <stage>\t<path>` */
function parseStage(line: string): UnmergedEntry {
  const tab = line.indexOf('\t')
  const [mode = '', id = '', stage = ''] = line.slice(0, tab).split(' ')
  return { mode, id, stage: Number(stage), path: line.slice(tab + 1) }
}

function* batches<T>(items: readonly T[], size: number): Generator<readonly T[]> {
  for (let start = 0; start < items.length; start += size) yield items.slice(start, start + size)
}
