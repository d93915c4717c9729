/** Remembers what was said to whom, so that a complaint reaches a session at most once a minute. */
export class OncePerMinute {
  readonly #said = new Map<string, number>()
  readonly #now: () => number

  constructor(now: () => number = () => performance.now()) {
    this.#now = now
  }

  /** True the first time and again after a minute. */
  may(...about: string[]): boolean {
    const now = this.#now()
    for (const [key, at] of this.#said) if (now - at >= 60_000) this.#said.delete(key)
    const key = JSON.stringify(about)
    if (this.#said.has(key)) return false
    this.#said.set(key, now)
    return true
  }
}
