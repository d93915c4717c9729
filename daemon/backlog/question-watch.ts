import type { Changes } from './changes.ts'

interface Waiter {
  readonly questionId: string
  readonly wake: () => void
}

export interface QuestionWatchOptions {
  readonly changes: Changes
  /** Which of these questions are no longer open (answered, cancelled, expired, deleted). One query. */
  settled(questionIds: readonly string[]): Promise<readonly string[]>
  /** Default 5 s: what a lost notification costs (contract 4). */
  readonly pollMs?: number
}

/**
 * Wakes tool calls that wait for an answer. One subscription and one poll serve all of them,
 * whatever their number; with nobody waiting there is neither. A notification that carries a
 * waiting question's id, whoever sent it and whatever else it says, wakes its waiters, who then
 * read the row: a notification only nudges.
 */
export class QuestionWatch {
  readonly #options: QuestionWatchOptions
  readonly #waiters = new Map<string, Set<Waiter>>()
  #end: (() => void) | undefined

  constructor(options: QuestionWatchOptions) {
    this.#options = options
  }

  /** Resolves on news of the question, when the signal aborts, or after `ms`; the caller reads the row. */
  wait(questionId: string, ms: number, signal: AbortSignal): Promise<void> {
    if (signal.aborted || ms <= 0) return Promise.resolve()
    return new Promise((resolve) => {
      const wake = () => {
        clearTimeout(timer)
        signal.removeEventListener('abort', wake)
        this.#remove(waiter)
        resolve()
      }
      const waiter: Waiter = { questionId, wake }
      const timer = setTimeout(wake, ms)
      signal.addEventListener('abort', wake, { once: true })
      this.#add(waiter)
    })
  }

  #add(waiter: Waiter): void {
    const others = this.#waiters.get(waiter.questionId) ?? new Set()
    this.#waiters.set(waiter.questionId, others.add(waiter))
    this.#end ??= this.#begin()
  }

  #remove(waiter: Waiter): void {
    const others = this.#waiters.get(waiter.questionId)
    others?.delete(waiter)
    if (others?.size === 0) this.#waiters.delete(waiter.questionId)
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
      // The database is away; the waiter's own read reports it when its time is up.
    }
  }

  #wake(questionId: string): void {
    for (const waiter of [...(this.#waiters.get(questionId) ?? [])]) waiter.wake()
  }
}
