/** What must end and be removed, last begun first, whatever happened in between. */
export class Cleanup {
  readonly #steps: (() => Promise<unknown>)[] = []

  /** Returns what it was given. */
  own<T>(made: T, end: (made: T) => Promise<unknown>): T {
    this.#steps.push(() => end(made))
    return made
  }

  /** One that ends by itself earlier, and with this one at the latest. */
  child(): Cleanup {
    return this.own(new Cleanup(), (made) => made.run())
  }

  async run(): Promise<void> {
    for (let step = this.#steps.pop(); step !== undefined; step = this.#steps.pop()) {
      await step().catch((error: unknown) => console.error('clearing up failed:', error))
    }
  }
}
