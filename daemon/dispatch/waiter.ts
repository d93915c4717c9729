import type { DaemonError } from '../errors.ts'
import type { Session } from '../sessions/session.ts'

/** How a wait ends. `replaced`: a newer wait of the same session took its place. */
export type WaitOutcome =
  | {
      readonly kind: 'job'
      readonly jobId: string
      readonly answer: Record<string, unknown>
      readonly resumed: boolean
    }
  | { readonly kind: 'timeout'; readonly reason: 'elapsed' | 'replaced' | 'preparing' }

/**
 * One `wait_for_job` call.
 *   queued → assigned (a claim is being prepared for it) → settled; assigned → queued when that came to nothing.
 * The preparer moves it; the claim loop fails one that nothing here can serve. The caller's cancel or deadline, and a
 * newer call of the same session, settle it from any state.
 */
export class Waiter {
  readonly session: Session
  readonly productId: string | null
  readonly since: number
  readonly outcome: Promise<WaitOutcome>
  assigned = false
  #settle: (outcome: WaitOutcome) => void = () => undefined
  #fail: (error: DaemonError) => void = () => undefined
  #settled = false

  constructor(session: Session, productId: string | null, now: number) {
    this.session = session
    this.productId = productId
    this.since = now
    this.outcome = new Promise((resolve, reject) => {
      this.#settle = resolve
      this.#fail = reject
    })
    // Whoever awaits the outcome sees the failure; a call that was cancelled awaits nothing.
    this.outcome.catch(() => undefined)
  }

  get settled(): boolean {
    return this.#settled
  }

  settle(outcome: WaitOutcome): boolean {
    if (this.#settled) return false
    this.#settled = true
    this.#settle(outcome)
    return true
  }

  fail(error: DaemonError): boolean {
    if (this.#settled) return false
    this.#settled = true
    this.#fail(error)
    return true
  }
}

/** Waiting calls in the order they came; one per session. */
export class WaitQueue {
  readonly #waiters = new Set<Waiter>()

  /** Adds a waiter; an older one of the same session returns `timeout`. */
  add(waiter: Waiter): void {
    this.of(waiter.session.ref.key)?.settle({ kind: 'timeout', reason: 'replaced' })
    this.#sweep()
    this.#waiters.add(waiter)
  }

  remove(waiter: Waiter): void {
    this.#waiters.delete(waiter)
  }

  of(sessionKey: string): Waiter | undefined {
    for (const waiter of this.#waiters) {
      if (waiter.session.ref.key === sessionKey && !waiter.settled) return waiter
    }
    return undefined
  }

  /** Unsettled waiters, longest first. */
  all(): Waiter[] {
    this.#sweep()
    return [...this.#waiters]
  }

  #sweep(): void {
    for (const waiter of this.#waiters) if (waiter.settled) this.#waiters.delete(waiter)
  }
}
