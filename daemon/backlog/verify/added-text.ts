import type { Git } from './git.ts'
import { type CountedFile, parsePatch } from './parse-diff.ts'
import { readFile } from './read-file.ts'
import type { ChangedFile } from './work.ts'

const PATCH = [
  ...['diff-tree', '-r', '-p', '-U0', '--no-color', '--no-ext-diff', '--no-textconv', '--no-renames'],
  ...['--src-prefix=a/', '--dst-prefix=b/'],
]
const MAX_PATCH_LINES = 20_000
const MAX_PATCH_FILES = 300
const MAX_PENDING_FILES = 300
/** Each asks git for the file as it was. */
const MAX_COMPARED_FILES = 50
/** Characters in which evidence is looked for: that is done many times, and blocks the daemon meanwhile. */
const MAX_TEXT = 1_000_000

/** Collects the lines that were added, per path and in lower case, up to a bound on all of them together. */
export class AddedText {
  readonly byPath = new Map<string, string>()
  /** What was left out, as sentences. */
  readonly limits: string[] = []
  #room = MAX_TEXT

  /** The commits' part: one patch for all files that are not too large. */
  async readCommits(git: Git, top: string, from: string, committed: readonly CountedFile[]): Promise<void> {
    const withText = committed.filter((file) => file.added > 0)
    let lines = 0
    const readable = withText.filter((file) => {
      if (lines + file.added > MAX_PATCH_LINES) return false
      lines += file.added
      return true
    })
    const paths = readable.slice(0, MAX_PATCH_FILES).map((file) => `:(top,literal)${file.path}`)
    if (paths.length < withText.length) {
      this.limits.push(`The contents of ${withText.length - paths.length} large changes were not read.`)
    }
    if (paths.length === 0) return
    try {
      const patch = await git(top, ['-c', 'core.quotePath=false', ...PATCH, from, 'HEAD', '--', ...paths])
      for (const [path, text] of parsePatch(patch)) this.#add(path, text)
    } catch {
      this.limits.push('The committed changes are too large to read; only file names were compared.')
    }
  }

  /** The uncommitted part, compared with `from` as a whole; answers how many lines were added and deleted. */
  async readPending(
    git: Git,
    top: string,
    from: string,
    files: readonly ChangedFile[],
  ): Promise<{ added: number; deleted: number }> {
    const pending = files.filter((file) => file.uncommitted)
    const total = { added: 0, deleted: 0 }
    for (const [index, { path, change }] of pending.slice(0, MAX_PENDING_FILES).entries()) {
      const now = change === 'deleted' ? '' : (await readFile(top, path))?.toString('utf8')
      if (now === undefined || now.includes('\0')) continue
      const compare = change !== 'added' && index < MAX_COMPARED_FILES
      const before = compare ? await git(top, ['cat-file', 'blob', `${from}:${path}`]).catch(() => '') : ''
      const { added, deleted } = differentLines(before, now)
      if (added.length > 0) this.#add(path, added.join('\n'))
      total.added += added.length
      total.deleted += deleted
    }
    if (pending.length > MAX_PENDING_FILES) {
      this.limits.push(
        `The contents of ${pending.length - MAX_PENDING_FILES} uncommitted files were not read.`,
      )
    }
    return total
  }

  #add(path: string, text: string): void {
    if (text.length > this.#room && this.#room >= 0) {
      this.limits.push('The changes are so many that evidence was looked for in a part of them only.')
    }
    // A file that is in a commit and changed since is read twice; the later state counts.
    if (this.#room > 0) this.byPath.set(path, text.slice(0, this.#room).toLowerCase())
    this.#room = text.length > this.#room ? -1 : this.#room - text.length
  }
}

/** Lines that are in one text more often than in the other; a moved line is none. */
function differentLines(before: string, now: string): { added: string[]; deleted: number } {
  const left = new Map<string, number>()
  for (const line of linesOf(before)) left.set(line, (left.get(line) ?? 0) + 1)
  const added = linesOf(now).filter((line) => {
    const count = left.get(line) ?? 0
    if (count > 0) left.set(line, count - 1)
    return count === 0
  })
  return { added, deleted: [...left.values()].reduce((sum, count) => sum + count, 0) }
}

function linesOf(text: string): string[] {
  const lines = text.split('\n')
  if (lines.at(-1) === '') lines.pop()
  return lines
}
