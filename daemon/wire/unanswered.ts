/** What is known of the requests of one peer that have no answer yet, in the order they came, by their ids. */
export class Unanswered<Known> {
  readonly #entries = new Map<unknown, { readonly known: Known; readonly size: number }>()
  readonly #maxCount: number
  readonly #maxSize: number
  #size = 0

  constructor(maxCount: number, maxSize: number) {
    this.#maxCount = maxCount
    this.#maxSize = maxSize
  }

  get count(): number {
    return this.#entries.size
  }

  /** False, and nothing is kept, if that were too many or too much. An id used again is the newer request's. */
  add(id: unknown, known: Known, size: number): boolean {
    this.take(id)
    if (this.#entries.size >= this.#maxCount || this.#size + size > this.#maxSize) return false
    this.#entries.set(id, { known, size })
    this.#size += size
    return true
  }

  /** It is answered, now or never; undefined when no request of this id was waiting. */
  take(id: unknown): Known | undefined {
    const entry = this.#entries.get(id)
    if (entry === undefined) return undefined
    this.#entries.delete(id)
    this.#size -= entry.size
    return entry.known
  }

  /** Requests may be taken while this goes on. */
  *[Symbol.iterator](): Generator<Known> {
    for (const { known } of this.#entries.values()) yield known
  }
}
