import { unlessAborted } from './unless-aborted.ts'

/**
 * Runs work one at a time per key, in order of arrival; different keys never wait for each other.
 * Work whose signal aborts while it waits is never begun.
 */
export class KeyQueue {
  readonly #tails = new Map<string, Promise<void>>()

  async run<T>(key: string, signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
    const before = this.#tails.get(key) ?? Promise.resolve()
    let finish = (): void => undefined
    const mine = new Promise<void>((resolve) => {
      finish = resolve
    })
    const tail = before.then(() => mine)
    this.#tails.set(key, tail)
    try {
      await unlessAborted(before, signal)
      return await work()
    } finally {
      finish()
      // Whoever is last in line when everybody before has left takes the key away.
      void tail.then(() => {
        if (this.#tails.get(key) === tail) this.#tails.delete(key)
      })
    }
  }
}
