/** At most `max` steps at a time; the others wait their turn, first come first served. */
export class Limit {
  readonly #max: number
  readonly #waiting: (() => void)[] = []
  #running = 0

  constructor(max: number) {
    this.#max = max
  }

  async run<T>(step: () => Promise<T>): Promise<T> {
    if (this.#running >= this.#max) await new Promise<void>((turn) => this.#waiting.push(turn))
    else this.#running += 1
    try {
      return await step()
    } finally {
      // The place is handed on, so nobody who comes now slips in between.
      const next = this.#waiting.shift()
      if (next === undefined) this.#running -= 1
      else next()
    }
  }
}
