import { copyFile, mkdtemp, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { codeOf } from '../../errors.ts'
import { type BytePath, quoted, toBytes } from './bytes.ts'
import type { WorktreeGit } from './worktree-git.ts'

export interface TreeEntry {
  readonly mode: string
  readonly id: string
  readonly path: BytePath
}

/**
 * Writes blobs and trees into the clone. Scratch files are in the worktree's administrative directory, which
 * goes with the worktree; nothing that a person or agent sees changes.
 */
export class ObjectWriter {
  readonly #git: WorktreeGit
  readonly scratch: string
  #serial = 0

  private constructor(git: WorktreeGit, scratch: string) {
    this.#git = git
    this.scratch = scratch
  }

  static async open(git: WorktreeGit): Promise<ObjectWriter> {
    return new ObjectWriter(git, await mkdtemp(join(git.place.adminDir, 'scrum4me-save-')))
  }

  close(): Promise<void> {
    return rm(this.scratch, { recursive: true, force: true })
  }

  temporary(): string {
    this.#serial += 1
    return join(this.scratch, String(this.#serial))
  }

  /** Ids of files below the worktree, as their bytes are, in the order given. */
  files(paths: readonly BytePath[]): Promise<string[]> {
    return this.#hash(paths)
  }

  /** Ids of blobs with these contents. */
  async blobs(contents: readonly (Buffer | string)[]): Promise<string[]> {
    const names: string[] = []
    for (const content of contents) {
      const name = this.temporary()
      await writeFile(name, content)
      names.push(name)
    }
    const ids = await this.#hash(names.map((name) => Buffer.from(name).toString('latin1')))
    for (const name of names) await rm(name)
    return ids
  }

  /** A copy of the worktree's index that may be changed; an empty one when there is none. */
  async indexCopy(): Promise<string> {
    const name = this.temporary()
    const index = join(this.#git.place.adminDir, 'index')
    try {
      await copyFile(index, name)
      // An entry as young as its index is looked at again by git; a copy that looks younger would hide an edit.
      const { mtimeMs } = await stat(index)
      await utimes(name, Math.floor(mtimeMs / 1000), Math.floor(mtimeMs / 1000))
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') throw error
      await this.#git.run({ index: name }, 'read-tree', '--empty')
    }
    return name
  }

  /** Changes an index copy: removals first, or a directory could not take the place of a file. */
  async change(index: string, removed: readonly BytePath[], added: readonly TreeEntry[]): Promise<void> {
    const { zeroId } = this.#git.place.repository
    const lines = [
      ...removed.map((path) => `0 ${zeroId}\t${path}\0`),
      ...added.map(({ mode, id, path }) => `${mode} ${id}\t${path}\0`),
    ]
    if (lines.length === 0) return
    await this.#git.run(
      { index, input: toBytes(lines.join('')) },
      'update-index',
      '-z',
      '--replace',
      '--index-info',
    )
  }

  /** Objects may be missing in a partial clone. */
  treeOf(index: string): Promise<string> {
    return this.#git.text({ index }, 'write-tree', '--missing-ok')
  }

  async tree(entries: readonly TreeEntry[]): Promise<string> {
    const index = this.temporary()
    await this.#git.run({ index }, 'read-tree', '--empty')
    await this.change(index, [], entries)
    return this.treeOf(index)
  }

  commit(tree: string, parents: readonly string[], message: string): Promise<string> {
    const distinct = [...new Set(parents)]
    return this.#git.text(
      { input: message },
      'commit-tree',
      tree,
      ...distinct.flatMap((parent) => ['-p', parent]),
    )
  }

  async #hash(paths: readonly BytePath[]): Promise<string[]> {
    if (paths.length === 0) return []
    const input = toBytes(paths.map((path) => `${quoted(path)}\n`).join(''))
    const ids = await this.#git.lines({ input }, 'hash-object', '-w', '--no-filters', '--stdin-paths')
    if (ids.length !== paths.length) throw new Error('git hashed another number of files than it was given')
    return ids
  }
}
