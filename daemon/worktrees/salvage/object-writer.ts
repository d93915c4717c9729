import { copyFile, mkdir, mkdtemp, readdir, rename, rm, stat, utimes, writeFile } from 'node:fs/promises'
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
 * Writes blobs, trees and commits, at first into a directory of its own: one that fails, or is killed, leaves
 * nothing in the clone, and a person's `gc` cannot take objects that no ref names yet. `migrate` moves them into the
 * clone. Scratch files are in the worktree's administrative directory; nothing that a person or agent sees changes.
 */
export class ObjectWriter {
  readonly #git: WorktreeGit
  readonly scratch: string
  readonly #objects: string
  readonly #anew: boolean
  #serial = 0

  private constructor(git: WorktreeGit, scratch: string, anew: boolean) {
    this.#git = git
    this.scratch = scratch
    this.#anew = anew
    this.#objects = join(scratch, 'objects')
  }

  /** @param anew also writes what the clone has already: a power cut may have emptied it */
  static async open(git: WorktreeGit, anew: boolean): Promise<ObjectWriter> {
    const { adminDir } = git.place
    for (const name of await readdir(adminDir)) {
      // Of a run that was killed; this job's turn is ours now.
      if (name.startsWith(SCRATCH)) await rm(join(adminDir, name), { recursive: true, force: true })
    }
    const writer = new ObjectWriter(git, await mkdtemp(join(adminDir, SCRATCH)), anew)
    try {
      await mkdir(writer.#objects)
      return writer
    } catch (error) {
      await writer.close()
      throw error
    }
  }

  /** Moves everything that was written into the clone. */
  async migrate(): Promise<void> {
    const target = join(this.#git.place.repository.commonDir, 'objects')
    for (const entry of await readdir(this.#objects, { withFileTypes: true })) {
      if (!entry.isDirectory() || entry.name === 'info') continue
      await mkdir(join(target, entry.name), { recursive: true })
      // A pack counts from the moment its index is there, so that comes last.
      const names = (await readdir(join(this.#objects, entry.name))).sort(
        (a, b) => Number(a.endsWith('.idx')) - Number(b.endsWith('.idx')),
      )
      for (const name of names) {
        if (name.startsWith('tmp_')) continue
        await moveFile(join(this.#objects, entry.name, name), join(target, entry.name, name))
      }
    }
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
    const { stderr } = await this.#git.run(
      { index, objects: this.#objects, input: toBytes(lines.join('')) },
      'update-index',
      '-z',
      '--replace',
      '--index-info',
    )
    // `.GIT/x`, `git~1`: git says no more than this of a name that it takes for its own, and leaves the file out.
    const refused = /^Ignoring path (.*)$/m.exec(stderr)?.[1]
    if (refused !== undefined) throw new Error(`git refuses to store a file of the name ${refused}`)
  }

  /** Objects may be missing in a partial clone. */
  treeOf(index: string): Promise<string> {
    const objects = { objects: this.#objects, anew: this.#anew }
    return this.#git.text({ index, ...objects }, 'write-tree', '--missing-ok')
  }

  async tree(entries: readonly TreeEntry[]): Promise<string> {
    // An index that is not there is an empty one.
    const index = this.temporary()
    await this.change(index, [], entries)
    return this.treeOf(index)
  }

  commit(tree: string, parents: readonly string[], message: string): Promise<string> {
    const distinct = [...new Set(parents)]
    return this.#git.text(
      { input: message, objects: this.#objects },
      'commit-tree',
      tree,
      ...distinct.flatMap((parent) => ['-p', parent]),
    )
  }

  async #hash(paths: readonly BytePath[]): Promise<string[]> {
    if (paths.length === 0) return []
    const input = toBytes(paths.map((path) => `${quoted(path)}\n`).join(''))
    const ids = await this.#git.lines(
      { input, objects: this.#objects, anew: this.#anew },
      'hash-object',
      '-w',
      '--no-filters',
      '--stdin-paths',
    )
    if (ids.length !== paths.length) throw new Error('git hashed another number of files than it was given')
    return ids
  }
}

const SCRATCH = 'scrum4me-save-'

async function moveFile(from: string, to: string): Promise<void> {
  try {
    // Whatever is at `to` has the same name, so the same content, or had it before it was damaged.
    await rename(from, to)
  } catch (error) {
    if (codeOf(error) !== 'EXDEV') throw error
    await copyFile(from, `${to}.scrum4me`)
    await rename(`${to}.scrum4me`, to)
  }
}
