import { type BytePath, fields } from './bytes.ts'
import { refuseUnreadable } from './unreadable.ts'
import type { WorktreeGit } from './worktree-git.ts'

export interface IndexEntry {
  readonly mode: string
  readonly id: string
  readonly stage: number
  readonly path: BytePath
}

/** What `git ls-files` tells of a worktree, in one process. */
export interface IndexListing {
  /** Submodules: path and recorded commit. */
  readonly gitlinks: ReadonlyMap<BytePath, string>
  readonly unmerged: readonly IndexEntry[]
  /** Paths that git was told not to look at: assume-unchanged, or (`skipped`) skip-worktree. */
  readonly hidden: readonly { readonly path: BytePath; readonly skipped: boolean }[]
  /** Every entry, if that was asked; otherwise none. */
  readonly all: readonly IndexEntry[]
  /** Untracked and not ignored; a repository of its own ends with a slash. */
  readonly untracked: readonly BytePath[]
}

const [QUESTION, UPPER_H, ZERO, ONE, SIX] = [0x3f, 0x48, 0x30, 0x31, 0x36]

/** Of a line of `ls-files -v --stage`: anything but a plain file that git looks at. */
export function isOdd(bytes: Buffer, start: number): boolean {
  return (
    bytes[start] !== UPPER_H ||
    (bytes[start + 2] === ONE && bytes[start + 3] === SIX && bytes[start + 4] === ZERO)
  )
}

/**
 * A line is `? <path>`, or `<tag> <mode> <id> <stage>\t<path>`. Tags: H plain, M unmerged, S skip-worktree; a small
 * letter: assume-unchanged as well. Plain files of a big repository are passed over as bytes.
 */
export async function listIndex(git: WorktreeGit, everything: boolean): Promise<IndexListing> {
  const others = git.place.path === null ? [] : ['--others', '--exclude-standard']
  const { stdout, stderr } = await git.run({}, 'ls-files', '-v', '--stage', ...others, '-z')
  refuseUnreadable(stderr)
  const gitlinks = new Map<BytePath, string>()
  const unmerged: IndexEntry[] = []
  const hidden: { path: BytePath; skipped: boolean }[] = []
  const all: IndexEntry[] = []
  const untracked: BytePath[] = []
  for (const line of fields(stdout, everything ? undefined : isOdd)) {
    if (line.charCodeAt(0) === QUESTION) {
      untracked.push(line.slice(2))
      continue
    }
    const tag = line.slice(0, 1)
    const entry = parseStage(line.slice(2))
    if (everything) all.push(entry)
    if (entry.mode === '160000') gitlinks.set(entry.path, entry.id)
    if (entry.stage > 0) unmerged.push(entry)
    const skipped = tag === 'S' || tag === 's'
    if (skipped || tag !== tag.toUpperCase()) hidden.push({ path: entry.path, skipped })
  }
  return { gitlinks, unmerged, hidden, all, untracked }
}

/** Untracked and not ignored alone. */
export async function listUntracked(git: WorktreeGit): Promise<BytePath[]> {
  const { stdout, stderr } = await git.run({}, 'ls-files', '--others', '--exclude-standard', '-z')
  refuseUnreadable(stderr)
  return fields(stdout)
}

/** `<mode> <id> <stage>\t<path>` */
function parseStage(line: string): IndexEntry {
  const tab = line.indexOf('\t')
  const [mode = '', id = '', stage = ''] = line.slice(0, tab).split(' ')
  return { mode, id, stage: Number(stage), path: line.slice(tab + 1) }
}
