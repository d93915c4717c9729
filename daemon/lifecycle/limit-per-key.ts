import { Limit } from './limit.ts'

/** At most `max` steps at a time for each key; steps of different keys never wait for each other. */
export class LimitPerKey {
  readonly #max: number
  readonly #limits = new Map<string, { readonly limit: Limit; users: number }>()

  constructor(max: number) {
    this.#max = max
  }

  async run<T>(key: string, step: () => Promise<T>): Promise<T> {
    const entry = this.#limits.get(key) ?? { limit: new Limit(this.#max), users: 0 }
    this.#limits.set(key, entry)
    entry.users += 1
    try {
      return await entry.limit.run(step)
    } finally {
      entry.users -= 1
      if (entry.users === 0) this.#limits.delete(key)
    }
  }
}
