import { AddedText } from './added-text.ts'
import type { Git } from './git.ts'
import { parseChangedFiles, parseCounts } from './parse-diff.ts'
import { blobId, readFile } from './read-file.ts'
import { withoutFilters } from './without-filters.ts'

export interface ChangedFile {
  readonly path: string
  readonly change: 'added' | 'modified' | 'deleted'
  /** Not, or not all, in a commit yet. */
  readonly uncommitted: boolean
}

/** What was done since the base commit, committed or not. */
export interface Work {
  /** Newest first, at most `MAX_COMMITS`. */
  readonly commits: readonly { readonly sha: string; readonly subject: string }[]
  readonly commitCount: number
  readonly files: readonly ChangedFile[]
  /** Lines of the commits and of uncommitted files. */
  readonly linesAdded: number
  readonly linesDeleted: number
  /** Path to the lines added there in lower case, for finding evidence. */
  readonly addedText: ReadonlyMap<string, string>
  /** What could not be read, as sentences. */
  readonly limits: readonly string[]
}

const MAX_COMMITS = 50
const MAX_FILES = 5_000
const MAX_COMPARED = 300

/**
 * Reads the work between `base` (a commit id) and the state of the directory. Plumbing commands only:
 * they run no diff driver, no text conversion and no filter, and write nothing, not even the index.
 */
export async function readWork(plain: Git, directory: string, base: string): Promise<Work> {
  const limits: string[] = []
  const git = await withoutFilters(plain, directory)
  const top = (await git(directory, ['rev-parse', '--show-toplevel'])).replace(/\n$/, '')
  const from = await mergeBase(git, top, base, limits)
  const log = await git(top, [
    'log',
    '-z',
    '--no-show-signature',
    '--format=%H %s',
    '-n',
    `${MAX_COMMITS}`,
    `${from}..HEAD`,
    '--',
  ])
  const count = await git(top, ['rev-list', '--count', `${from}..HEAD`, '--'])
  const counts = parseCounts(
    await git(top, ['diff-tree', '-r', '--numstat', '-z', '--no-renames', from, 'HEAD', '--']),
  )
  const files = await changedFiles(git, top, from, limits)
  const text = new AddedText()
  await text.readCommits(git, top, from, counts)
  const pending = await text.readPending(git, top, from, files)
  // A file that is in a commit and changed again since is counted with the uncommitted ones.
  const pendingPaths = new Set(files.filter((file) => file.uncommitted).map((file) => file.path))
  const settled = counts.filter((file) => !pendingPaths.has(file.path))
  const commits = log.split('\0').filter((entry) => entry !== '')
  return {
    commits: commits.map((entry) => {
      const space = entry.indexOf(' ')
      return { sha: entry.slice(0, space), subject: entry.slice(space + 1) }
    }),
    commitCount: Number(count.trim()),
    files,
    linesAdded: sum(settled.map((file) => file.added)) + pending.added,
    linesDeleted: sum(settled.map((file) => file.deleted)) + pending.deleted,
    addedText: text.byPath,
    limits: [...limits, ...text.limits],
  }
}

/** Not the base itself: what the base branch got since is not this work. */
async function mergeBase(git: Git, top: string, base: string, limits: string[]): Promise<string> {
  try {
    return (await git(top, ['merge-base', base, 'HEAD'])).trim()
  } catch {
    limits.push(`HEAD shares no history with the base commit ${base.slice(0, 12)}; everything was compared.`)
    return base
  }
}

/** Tracked files that differ from `from`, and untracked ones that are not ignored. */
async function changedFiles(git: Git, top: string, from: string, limits: string[]): Promise<ChangedFile[]> {
  const quiet = ['-z', '--no-renames', '--ignore-submodules=dirty']
  const changed = await git(top, ['diff-index', '--raw', ...quiet, from, '--'])
  const staged = await git(top, ['diff-index', '--cached', '--name-only', ...quiet, 'HEAD', '--'])
  const unstaged = await git(top, ['diff-files', '--name-only', ...quiet, '--'])
  const untracked = await git(top, ['ls-files', '-o', '--exclude-standard', '-z']).catch(() => {
    limits.push('There are too many untracked files to list; they were not looked at.')
    return ''
  })
  const pending = new Set((staged + unstaged).split('\0'))
  const files = new Map<string, ChangedFile>()
  let compared = 0
  for (const { path, change, baseBlob, onDisk } of parseChangedFiles(changed)) {
    // Git compares times and sizes here; a file that was only rewritten is no change.
    if (onDisk && change === 'modified' && compared < MAX_COMPARED) {
      compared += 1
      const content = await readFile(top, path)
      if (content !== undefined && blobId(content, baseBlob) === baseBlob) continue
    }
    files.set(path, { path, change, uncommitted: pending.has(path) })
  }
  for (const path of untracked.split('\0')) {
    if (path !== '' && !files.has(path)) files.set(path, { path, change: 'added', uncommitted: true })
  }
  if (files.size > MAX_FILES)
    limits.push(`${files.size - MAX_FILES} of ${files.size} changed files were not looked at.`)
  return [...files.values()].slice(0, MAX_FILES)
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}
