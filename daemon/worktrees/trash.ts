import { randomBytes } from 'node:crypto'
import { readdir, rename } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { codeOf } from '../errors.ts'
import type { Logger } from '../logger.ts'
import type { Disk } from './disk.ts'
import type { Layout } from './layout.ts'

/** Beside the worktrees, so on the same file system; no job id begins with a dot. */
const PREFIX = '.trash-'

/**
 * What is saved and on its way out. A rename takes it out of everybody's way at once; deleting the files
 * comes after, one tree at a time and at low priority, so that it delays nobody.
 */
export class Trash {
  readonly #layout: Layout
  readonly #disk: Disk
  readonly #logger: Logger
  #deleting: Promise<void> = Promise.resolve()
  #waiting = 0

  constructor(layout: Layout, disk: Disk, logger: Logger) {
    this.#layout = layout
    this.#disk = disk
    this.#logger = logger
  }

  /** How many trees wait to be deleted. */
  get waiting(): number {
    return this.#waiting
  }

  /**
   * A path that nothing has yet. No directory of its own: on a full disk nothing can be made, but a rename works,
   * and then there is room again.
   */
  async place(path: string): Promise<string> {
    return join(await this.#layout.open(), `${PREFIX}${basename(path)}.${randomBytes(4).toString('hex')}`)
  }

  /** Moves a path to the trash; null when nothing is there. */
  async move(path: string): Promise<string | null> {
    const place = await this.place(path)
    try {
      await rename(path, place)
      return place
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return null
      throw error
    }
  }

  /** Deletes a tree in the trash, after those before it. Resolves when it is gone or was given up. */
  delete(place: string, signal: AbortSignal): Promise<void> {
    this.#waiting += 1
    this.#deleting = this.#deleting.then(async () => {
      try {
        if (signal.aborted) return
        const gone = await this.#disk.deleteTree(place, signal)
        if (!gone && !signal.aborted) this.#logger.warn(`worktrees: ${place} could not be deleted completely`)
      } catch (error) {
        this.#logger.warn({ err: error }, `worktrees: ${place} could not be deleted`)
      } finally {
        this.#waiting -= 1
      }
    })
    return this.#deleting
  }

  /** Deletes what an earlier run left, but nothing that `isSpokenFor`. */
  async empty(isSpokenFor: (place: string) => boolean, signal: AbortSignal): Promise<void> {
    const parent = await this.#layout.open()
    const names = (await readdir(parent)).filter((name) => name.startsWith(PREFIX))
    await Promise.all(
      names
        .map((name) => join(parent, name))
        .filter((place) => !isSpokenFor(place))
        .map((place) => this.delete(place, signal)),
    )
  }

  /** Resolves when nothing is being deleted. */
  settled(): Promise<void> {
    return this.#deleting
  }
}
