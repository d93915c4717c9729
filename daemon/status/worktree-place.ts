import type { Place } from '../worktrees/place.ts'
import { patiently } from './patiently.ts'

/**
 * Whether worktrees can be made and how much room there is, asked on request and never waited for long: of a
 * file system that does not answer, what it said last counts.
 */
export class WorktreePlace {
  readonly #look: () => Promise<Place>
  #last: Place = { freeBytes: null, fault: null }
  #running: Promise<void> | null = null

  constructor(look: () => Promise<Place>) {
    this.#look = look
  }

  async read(): Promise<Place> {
    this.#running ??= this.#ask().finally(() => {
      this.#running = null
    })
    await patiently(this.#running)
    return this.#last
  }

  async #ask(): Promise<void> {
    this.#last = await this.#look()
  }
}
