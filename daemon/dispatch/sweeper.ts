import { messageOf } from '../errors.ts'
import type { ClaimRecord } from '../jobs/claim-record.ts'
import { LimitPerKey } from '../lifecycle/limit-per-key.ts'
import type { Service } from '../lifecycle/service.ts'
import { goneMs, RECONNECT_MS } from './ownership.ts'
import type { DispatchPorts } from './ports.ts'
import { releaseClaim } from './release-claim.ts'

const EVERY_MS = 1000
/** Contract 4: an undelivered claim is given on or released within 15 s; the rest is for the database. */
const UNDELIVERED_MS = 10_000
/** A session that makes no call has read the log message by now, or never will. */
const SILENT_MS = 60_000
const REMEMBER_REPORTED_MS = 24 * 3600_000

/**
 * Time's part in a claim's life: undelivered claims that nobody took, held claims whose session's grace
 * is over, lost claims whose session knows or is gone, reports nobody will ask for again, and records that the disk
 * did not take.
 */
export class Sweeper implements Service {
  readonly name = 'sweeper'
  readonly #ports: DispatchPorts
  readonly #nudge: () => void
  #timer: NodeJS.Timeout | undefined
  readonly #running = new Set<Promise<void>>()
  /** By clone. */
  readonly #removals = new LimitPerKey(2)

  /** @param nudge tells that a claim here may have become another session's to take */
  constructor(ports: DispatchPorts, nudge: () => void) {
    this.#ports = ports
    this.#nudge = nudge
  }

  async start(): Promise<void> {
    this.#schedule()
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer)
    await Promise.allSettled(this.#running)
  }

  /** The session read that its claim is lost: it is told once, and the worktree may go, now or when that works. */
  async told(claim: ClaimRecord): Promise<void> {
    const { book } = this.#ports
    const noted = book.change(claim, { delivered: false })
    noted.catch(() => undefined)
    const step = async () => {
      const lost = await noted
      if (lost?.state === 'lost') await this.#cleanUp(lost)
    }
    await book.exclusive(claim.identity.jobId, step).catch(() => undefined)
  }

  #schedule(): void {
    this.#timer = setInterval(() => this.#sweep(), EVERY_MS)
  }

  /** Each claim by itself: saving one job's work may take long, and another's release must not wait for it. */
  #sweep(): void {
    void this.#ports.book.writeAgain()
    for (const claim of this.#ports.book.all()) {
      if (!this.#isDue(claim) || this.#ports.book.isBusy(claim.identity.jobId)) continue
      const step = this.#ports.book
        .exclusive(claim.identity.jobId, () => this.#act(claim))
        .catch((error: unknown) => {
          // The database is away; the claim keeps its state and the next sweep tries again.
          this.#ports.logger.debug({ job: claim.identity.jobId, err: messageOf(error) }, 'sweep failed')
        })
        .finally(() => this.#running.delete(step))
      this.#running.add(step)
    }
    // Nothing tells a waiting session that another one's client process has ended.
    if (this.#ports.book.inState('held').some((claim) => goneMs(claim, this.#ports.sessions) > 0))
      this.#nudge()
  }

  #isDue(claim: ClaimRecord): boolean {
    switch (claim.state) {
      case 'undelivered':
        return this.#ports.book.ageMs(claim) > UNDELIVERED_MS
      case 'held':
        return goneMs(claim, this.#ports.sessions) > this.#ports.settings.graceSeconds * 1000
      case 'lost':
        // A session that is only reconnecting is told first; one that says nothing was told by a log message.
        return (
          !claim.delivered ||
          goneMs(claim, this.#ports.sessions) > RECONNECT_MS ||
          this.#ports.book.ageMs(claim) > SILENT_MS
        )
      case 'reported':
        return Date.now() - Date.parse(claim.since) > REMEMBER_REPORTED_MS
      default:
        return false
    }
  }

  async #act(seen: ClaimRecord): Promise<void> {
    const { book, logger } = this.#ports
    const claim = book.get(seen.identity.jobId)
    // Somebody moved it while this step waited its turn.
    if (claim === undefined || claim.state !== seen.state || !this.#isDue(claim)) return
    if (claim.state === 'reported') return book.forget(claim)
    if (claim.state === 'lost') return this.#cleanUp(claim)
    if (this.#ports.authority.current() === null) return
    const releasedAt = await releaseClaim(this.#ports, claim)
    if (releasedAt === null) {
      await book.change(claim, { state: 'lost', lost: 'taken' })
      return
    }
    logger.info({ job: claim.identity.jobId, was: claim.state }, 'released a claim without a session')
    if (claim.delivered || claim.worked || claim.state === 'held') {
      await book.change(claim, { state: 'released', releasedAt })
      this.#ports.worktreesChanged()
      return
    }
    // Nobody ever saw this job here: its fresh worktree is of no use to anybody.
    await this.#removals.run(claim.repoRoot, () =>
      this.#ports.worktrees.remove({ jobId: claim.identity.jobId, branch: 'delete' }),
    )
    await book.forget(claim)
  }

  async #cleanUp(claim: ClaimRecord): Promise<void> {
    const { book, worktrees, instanceId, logger } = this.#ports
    if (book.get(claim.identity.jobId)?.identity.claimedAt !== claim.identity.claimedAt) return
    if (claim.identity.instanceId !== instanceId) return book.forget(claim)
    const removed = await this.#removals.run(claim.repoRoot, () =>
      worktrees.remove({ jobId: claim.identity.jobId, branch: 'delete' }),
    )
    this.#ports.worktreesChanged()
    logger.info(
      { job: claim.identity.jobId, worktree: removed.outcome, saved: removed.salvageRef },
      'cleaned up after a lost claim',
    )
    await book.forget(claim)
  }
}
