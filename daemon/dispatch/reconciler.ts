import { messageOf } from '../errors.ts'
import type { ClaimRecord } from '../jobs/claim-record.ts'
import type { Service } from '../lifecycle/service.ts'
import type { Unmarked } from '../worktrees/reconcile.ts'
import { demoReadsOnly } from './demo.ts'
import { findWhyLost } from './lost.ts'
import type { DispatchPorts } from './ports.ts'
import { judgeWorktrees, KEEP_RELEASED_MS } from './reconcile.ts'

const EVERY_MS = 3600_000

export type Reconciled = Awaited<ReturnType<DispatchPorts['worktrees']['reconcile']>>

/** Makes directories, git, claims and database agree: when the database is first there, hourly, and on request. */
export class Reconciler implements Service {
  readonly name = 'reconciler'
  readonly #ports: DispatchPorts
  readonly #done: () => void
  #timer: NodeJS.Timeout | undefined
  #running: Promise<Reconciled> | null = null
  /** Asked for, and waiting for the run before it. */
  #asked: Promise<Reconciled> | null = null
  /** Sessions that will read the result of `#asked`. */
  readonly #askers = new Set<string>()
  #stopped = false

  constructor(ports: DispatchPorts, done: () => void) {
    this.#ports = ports
    this.#done = done
  }

  async start(): Promise<void> {
    this.#timer = setInterval(() => this.inBackground(), EVERY_MS)
  }

  async stop(): Promise<void> {
    this.#stopped = true
    clearInterval(this.#timer)
    await this.#asked?.catch(() => undefined)
    await this.#running?.catch(() => undefined)
  }

  inBackground(): void {
    if (this.#stopped || this.#ports.authority.current()?.isDemo === true) return
    this.#once('leave').catch((error: unknown) => {
      this.#ports.logger.warn({ err: messageOf(error) }, 'worktrees could not be reconciled now')
    })
  }

  /**
   * As somebody asks for it: unmarked directories of jobs that ended go, too. After a run that is under way; whoever
   * asks meanwhile gets the same result. Needs the database.
   * @param asker key of the session, which reads from the result that its own job is over
   */
  run(asker?: string): Promise<Reconciled> {
    if (asker !== undefined) this.#askers.add(asker)
    this.#asked ??= this.#afterThis().finally(() => {
      this.#asked = null
      this.#askers.clear()
    })
    return this.#asked
  }

  async #afterThis(): Promise<Reconciled> {
    await this.#running?.catch(() => undefined)
    return this.#once('remove ended', this.#askers)
  }

  /** One run at a time. */
  #once(unmarked: Unmarked, askers?: ReadonlySet<string>): Promise<Reconciled> {
    this.#running ??= this.#run(unmarked, askers).finally(() => {
      this.#running = null
      this.#done()
    })
    return this.#running
  }

  async #run(unmarked: Unmarked, askers?: ReadonlySet<string>): Promise<Reconciled> {
    const { authority, book, worktrees, roots, logger } = this.#ports
    const caller = await authority.ready(10_000)
    if (caller.isDemo) throw demoReadsOnly()
    const clones = [...new Set([...(await roots.known()).values()].map((root) => root.path))]
    const held = book.inState('held')
    const result = await worktrees.reconcile(
      (jobIds) => judgeWorktrees(this.#ports, caller.userId, jobIds, askers),
      clones,
      unmarked,
    )
    if (result.removed.length > 0)
      logger.info({ removed: result.removed.length }, 'removed worktrees of finished jobs')
    const removed = new Set(result.removed.map((entry) => entry.job_id))
    for (const claim of held) if (removed.has(claim.identity.jobId)) await this.#noteLost(claim)
    await this.#forgetReleased(result)
    return result
  }

  /** Its job is over, as the next heartbeat would find; a session that asks before must not be given it once more. */
  async #noteLost(held: ClaimRecord): Promise<void> {
    const { book, logger } = this.#ports
    const { jobId, claimedAt } = held.identity
    const step = async () => {
      const claim = book.get(jobId)
      // Claimed here again, reported, or known to be lost.
      if (claim?.state !== 'held' || claim.identity.claimedAt !== claimedAt) return
      await book.change(claim, { state: 'lost', lost: await findWhyLost(this.#ports, claim) })
    }
    await book.exclusive(jobId, step).catch((error: unknown) => {
      logger.debug({ job: jobId, err: messageOf(error) }, 'not noted that its job is over')
    })
  }

  /**
   * A released claim whose worktree is gone has nothing left to hand over or report on. One without a worktree from
   * the start, or whose removal came later than this, is remembered as long as a worktree would have been.
   */
  async #forgetReleased(result: Reconciled): Promise<void> {
    const { book } = this.#ports
    const removed = new Set(result.removed.map((entry) => entry.job_id))
    const there = new Set([...result.kept, ...result.skipped].map((entry) => entry.job_id))
    for (const claim of book.inState('released')) {
      const { jobId } = claim.identity
      // A run that was cut short did not see every directory.
      const isOver = !this.#stopped && Date.now() - Date.parse(claim.since) > KEEP_RELEASED_MS
      if (removed.has(jobId) || (isOver && !there.has(jobId))) await book.forget(claim)
    }
  }
}
