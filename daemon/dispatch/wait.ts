import { notFound } from '../errors.ts'
import type { ClaimRecord } from '../jobs/claim-record.ts'
import { mayUseProduct } from '../jobs/read.ts'
import { inTime } from '../lifecycle/in-time.ts'
import type { Session } from '../sessions/session.ts'
import { answerAgain } from './answer-again.ts'
import type { ClaimLoop } from './claim-loop.ts'
import { demoReadsOnly } from './demo.ts'
import { lostError } from './lost.ts'
import { isOwner } from './ownership.ts'
import type { DispatchPorts } from './ports.ts'
import { Waiter, type WaitOutcome, type WaitQueue } from './waiter.ts'

/** A claim found just before the deadline may still finish its worktree, ms. */
const PREPARING_EXTRA_MS = 8_000
/** How long a call waits for a database that is away, ms. */
export const DATABASE_WAIT_MS = 10_000

export interface WaitRequest {
  readonly productId: string | null
  readonly waitMs: number
  readonly signal: AbortSignal
}

/** The waiting side of `wait_for_job`: one job a session, a newer wait replaces an older one. */
export class Waits {
  readonly #ports: DispatchPorts
  readonly #queue: WaitQueue
  readonly #loop: ClaimLoop
  readonly #told: (claim: ClaimRecord) => void

  constructor(ports: DispatchPorts, queue: WaitQueue, loop: ClaimLoop, told: (claim: ClaimRecord) => void) {
    this.#ports = ports
    this.#queue = queue
    this.#loop = loop
    this.#told = told
  }

  /** Throws the contract's errors; a cancelled call's promise stays for the SDK to drop. */
  async wait(session: Session, request: WaitRequest): Promise<WaitOutcome> {
    const { book, authority } = this.#ports
    if (authority.current()?.isDemo === true) throw demoReadsOnly()
    const lost = book.inState('lost').find((claim) => isOwner(claim, session) && claim.delivered)
    if (lost !== undefined) {
      this.#told(lost)
      throw lostError(lost)
    }
    const held = book.heldBy(session.ref.key)
    const until = performance.now() + request.waitMs
    if (held !== undefined) {
      const still = await this.#afterItsStep(held, session, request.waitMs)
      // Even with the database away: what the session holds it may be told.
      if (still === 'late') return { kind: 'timeout', reason: 'preparing' }
      if (still !== undefined) return this.#again(session, still)
    }
    const caller = await authority.ready(Math.min(DATABASE_WAIT_MS, until - performance.now()))
    if (caller.isDemo) throw demoReadsOnly()
    await this.#requireProduct(caller.userId, request.productId, until - performance.now())
    return this.#inLine(session, { ...request, waitMs: Math.max(0, until - performance.now()) })
  }

  /** A wait for a product that will never have a job would look like an empty queue. */
  async #requireProduct(userId: string, productId: string | null, ms: number): Promise<void> {
    if (productId === null) return
    // What cannot be looked up now is waited for, no longer than the call may take.
    const look = mayUseProduct(this.#ports.rowSql, userId, productId).catch(() => true)
    if ((await inTime(look, ms)) === false) throw notFound('Product', productId)
  }

  /** What the session holds once the step that is being taken on it is over: a report, or a release after the grace. */
  async #afterItsStep(
    held: ClaimRecord,
    session: Session,
    ms: number,
  ): Promise<ClaimRecord | 'late' | undefined> {
    const { book } = this.#ports
    const step = book.exclusive(held.identity.jobId, async () => book.heldBy(session.ref.key))
    return inTime(step, ms)
  }

  async #again(session: Session, held: ClaimRecord): Promise<WaitOutcome> {
    this.#queue.of(session.ref.key)?.settle({ kind: 'timeout', reason: 'replaced' })
    return { kind: 'job', jobId: held.identity.jobId, answer: await answerAgain(held), resumed: true }
  }

  async #inLine(session: Session, request: WaitRequest): Promise<WaitOutcome> {
    const waiter = new Waiter(session, request.productId, Date.now())
    const gone = () => waiter.settle({ kind: 'timeout', reason: 'elapsed' })
    if (request.signal.aborted) gone()
    request.signal.addEventListener('abort', gone, { once: true })
    this.#queue.add(waiter)
    this.#loop.nudge()
    let timer = setTimeout(() => {
      if (!waiter.assigned) {
        const fault = this.#loop.fault.lasting
        // "No job came" would not be known: there may be one that cannot be had.
        if (fault !== null) waiter.fail(fault)
        else waiter.settle({ kind: 'timeout', reason: 'elapsed' })
        return
      }
      timer = setTimeout(() => waiter.settle({ kind: 'timeout', reason: 'preparing' }), PREPARING_EXTRA_MS)
    }, request.waitMs)
    try {
      return await waiter.outcome
    } finally {
      clearTimeout(timer)
      request.signal.removeEventListener('abort', gone)
      this.#queue.remove(waiter)
    }
  }
}
