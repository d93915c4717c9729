import type { Changes } from './changes.ts'

export interface QuestionWatchOptions {
  readonly changes: Changes
  /** Which of these questions are no longer open (answered, cancelled, expired, deleted). One query. */
  settled(questionIds: readonly string[]): Promise<readonly string[]>
  /** Default 5 s: what a lost notification costs (contract 4). */
  readonly pollMs?: number
}

/** One waiting call's view of its question. */
export interface Following {
  /** Resolves on news since the last call, when the signal aborts, or after `ms`. The caller reads the row. */
  news(ms: number, signal: AbortSignal): Promise<void>
  end(): void
}

/**
 * Wakes tool calls that wait for an answer. One subscription and one poll serve all of them,
 * whatever their number; with nobody waiting there is neither. A notification that carries a
 * waiting question's id, whoever sent it and whatever else it says, is news to its waiters: a
 * notification only nudges, the row says what happened.
 */
export class QuestionWatch {
  readonly #options: QuestionWatchOptions
  readonly #waiters = new Map<string, Set<Waiter>>()
  #end: (() => void) | undefined
  #stopped = false

  constructor(options: QuestionWatchOptions) {
    this.#options = options
  }

  /** Set by `stop`: from now on nobody waits. */
  get stopped(): boolean {
    return this.#stopped
  }

  /** Before the daemon drains: every waiting call answers at once, so that its agent learns the question's id. */
  stop(): void {
    this.#stopped = true
    for (const id of [...this.#waiters.keys()]) this.#wake(id)
  }

  follow(questionId: string): Following {
    const waiter = new Waiter()
    const others = this.#waiters.get(questionId) ?? new Set()
    this.#waiters.set(questionId, others.add(waiter))
    this.#end ??= this.#begin()
    return {
      news: (ms, signal) => waiter.news(ms, signal),
      end: () => this.#remove(questionId, waiter),
    }
  }

  #remove(questionId: string, waiter: Waiter): void {
    const others = this.#waiters.get(questionId)
    others?.delete(waiter)
    if (others?.size === 0) this.#waiters.delete(questionId)
    if (this.#waiters.size > 0) return
    this.#end?.()
    this.#end = undefined
  }

  #begin(): () => void {
    const unsubscribe = this.#options.changes.subscribe((change) => this.#nudge(change))
    let asking = false
    const poll = setInterval(() => {
      // A database that hangs must not collect queries.
      if (asking) return
      asking = true
      void this.#poll().finally(() => {
        asking = false
      })
    }, this.#options.pollMs ?? 5_000)
    return () => {
      clearInterval(poll)
      unsubscribe()
    }
  }

  #nudge(change: unknown): void {
    if (typeof change !== 'object' || change === null) return
    for (const value of Object.values(change)) {
      if (typeof value === 'string') this.#wake(value)
    }
  }

  async #poll(): Promise<void> {
    try {
      for (const id of await this.#options.settled([...this.#waiters.keys()])) this.#wake(id)
    } catch {
      // The database is away: the next poll asks again, and a waiter whose time is up answers what it knows.
    }
  }

  #wake(questionId: string): void {
    for (const waiter of this.#waiters.get(questionId) ?? []) waiter.wake()
  }
}

class Waiter {
  #missed = false
  #resolve: (() => void) | undefined

  /** News that comes while nobody waits is kept for the next `news`. */
  wake(): void {
    if (this.#resolve === undefined) this.#missed = true
    else this.#resolve()
  }

  news(ms: number, signal: AbortSignal): Promise<void> {
    const missed = this.#missed
    this.#missed = false
    if (missed || signal.aborted || ms <= 0) return Promise.resolve()
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer)
        signal.removeEventListener('abort', done)
        this.#resolve = undefined
        resolve()
      }
      const timer = setTimeout(done, ms)
      signal.addEventListener('abort', done, { once: true })
      this.#resolve = done
    })
  }
}
