import { createHash, randomBytes } from 'node:crypto'
import { readdir, rename } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { codeOf } from '../errors.ts'
import type { Logger } from '../logger.ts'
import type { Disk } from './disk.ts'
import type { Layout } from './layout.ts'

/** More trees than this wait for the disk, not only in line. */
const MANY = 8

/**
 * What is saved and on its way out. A rename takes it out of everybody's way at once; deleting the files
 * comes after, one tree at a time and at low priority, so that it delays nobody.
 */
export class Trash {
  readonly #layout: Layout
  readonly #disk: Disk
  readonly #logger: Logger
  /** Beside the worktrees, so on the same file system; no job id begins with a dot. Another installation has its own. */
  readonly #prefix: string
  #deleting: Promise<void> = Promise.resolve()
  #waiting = 0

  constructor(layout: Layout, disk: Disk, instanceId: string, logger: Logger) {
    this.#prefix = `.trash-${createHash('sha256').update(instanceId).digest('hex').slice(0, 8)}-`
    this.#layout = layout
    this.#disk = disk
    this.#logger = logger
  }

  /** Resolves when the trash is short enough for more: jobs must not end faster than the disk can forget them. */
  async room(): Promise<void> {
    if (this.#waiting > MANY) await this.#deleting
  }

  /**
   * A path that nothing has yet. No directory of its own: on a full disk nothing can be made, but a rename works,
   * and then there is room again.
   */
  async place(path: string): Promise<string> {
    return join(
      await this.#layout.open(),
      `${this.#prefix}${basename(path)}.${randomBytes(4).toString('hex')}`,
    )
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
    const names = (await readdir(parent)).filter((name) => name.startsWith(this.#prefix))
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
