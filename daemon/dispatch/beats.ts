import { messageOf } from '../errors.ts'
import { type ClaimRecord, LEASED } from '../jobs/claim-record.ts'
import { release } from '../jobs/release.ts'
import { isFinal, readReported } from '../jobs/report.ts'
import { rescueExpired } from '../jobs/rescue.ts'
import type { BeatAnswer } from '../presence/beat.ts'
import type { ClaimLoop } from './claim-loop.ts'
import { whyLost } from './lost.ts'
import type { DispatchPorts } from './ports.ts'
import { wasReleased } from './release-claim.ts'

/** What was true when a heartbeat's statement left; only claims that did not move since are judged by it. */
export interface BeatSnapshot {
  readonly claims: ReadonlyMap<string, ClaimRecord>
  readonly claimsBegun: number
  readonly claimInFlight: boolean
  readonly at: number
}

/**
 * What a heartbeat's answer means for the claims: leases taken over, jobs cancelled, claims that a
 * crash left behind, jobs that wait, and expired leases to take back.
 */
export class Beats {
  readonly #ports: DispatchPorts
  readonly #loop: ClaimLoop
  readonly #lost: (claim: ClaimRecord) => void
  readonly #leases = new Map<string, string>()
  #lastBeat: { readonly at: number; readonly clock: number } | null = null
  /** Others' leases are left alone until then (monotonic ms): at start and after an outage of our own, one lease. */
  #rescueFrom: number
  #lastRescue = 0
  #isReleasing = false

  constructor(ports: DispatchPorts, loop: ClaimLoop, lost: (claim: ClaimRecord) => void) {
    this.#ports = ports
    this.#loop = loop
    this.#lost = lost
    this.#rescueFrom = performance.now() + ports.settings.leaseSeconds * 1000
  }

  snapshot(): BeatSnapshot {
    return {
      claims: new Map(this.#ports.book.leased().map((claim) => [claim.identity.jobId, claim])),
      claimsBegun: this.#loop.claimsBegun,
      claimInFlight: this.#loop.claimInFlight,
      at: performance.now(),
    }
  }

  /** As last renewed; until the first heartbeat, as the claim set it. Null for what is not leased, or not known yet. */
  leaseUntil(jobId: string): string | null {
    const { book, settings } = this.#ports
    const renewed = this.#leases.get(jobId)
    if (renewed !== undefined) return renewed
    const claim = book.get(jobId)
    if (claim === undefined || !LEASED.has(claim.state) || book.isInherited(claim)) return null
    const claimedAt = Date.parse(`${claim.identity.claimedAt.replace(' ', 'T')}Z`)
    return new Date(claimedAt + settings.leaseSeconds * 1000).toISOString()
  }

  async apply(snapshot: BeatSnapshot, answer: BeatAnswer): Promise<void> {
    this.#noteOutage(snapshot.at, answer.clockMs)
    if (answer.queued) this.#loop.nudge()
    await this.#judge(snapshot, answer)
    // Beside the rest: somebody may keep such a row locked, and neither a rescue nor a report waits for that.
    void this.#releaseStrays(snapshot, answer)
    await this.#rescue()
  }

  /**
   * An outage of our own: too long between two beats by our monotonic clock, or by the database's, which
   * also runs on while this machine sleeps, and whose steps end the leases of machines that are well. Of a short
   * lease every third of it is a beat, and each comes a little late; after half of it nobody's lease has run out yet.
   */
  #noteOutage(at: number, clock: number): void {
    const lease = this.#ports.settings.leaseSeconds * 1000
    const most = Math.max(lease / 2, 2000)
    const last = this.#lastBeat
    if (last !== null && (at - last.at > most || Math.abs(clock - last.clock) > most)) {
      this.#rescueFrom = performance.now() + lease
    }
    this.#lastBeat = { at, clock }
  }

  async #judge(snapshot: BeatSnapshot, answer: BeatAnswer): Promise<void> {
    const { book, logger } = this.#ports
    for (const state of answer.held) {
      const claim = book.get(state.jobId)
      if (claim === undefined || claim !== snapshot.claims.get(state.jobId) || book.isBusy(state.jobId))
        continue
      if (state.ours) {
        if (state.leaseUntil === null) continue
        this.#leases.set(state.jobId, new Date(`${state.leaseUntil}Z`).toISOString())
        book.confirm(claim)
        continue
      }
      // A report that reached the database just before a crash looks like a loss; its delivery tells.
      if (claim.state === 'reporting') continue
      if (state.status === 'QUEUED' && (await this.#recogniseRelease(claim))) continue
      if (book.isInherited(claim) && (await this.#recogniseReport(claim, state.status))) continue
      if (book.get(state.jobId) !== claim) continue
      const why = whyLost(state.status, state.here)
      logger.warn({ job: state.jobId, why }, 'a claim is no longer ours')
      // Its answer has left, and may not have been heard of yet: the session must learn what became of it.
      const delivered = claim.delivered || claim.state === 'held'
      // Memory has it; a disk that takes no note keeps neither its session nor the other claims uninformed.
      const lost = await book
        .change(claim, { state: 'lost', lost: why, delivered })
        .catch(() => book.get(state.jobId))
      if (lost !== undefined) this.#lost(lost)
    }
    for (const jobId of this.#leases.keys()) if (book.get(jobId) === undefined) this.#leases.delete(jobId)
  }

  /** A claim that is in the queue again by a release of ours whose answer was lost. False: it is somebody else's deed. */
  async #recogniseRelease(claim: ClaimRecord): Promise<boolean> {
    const { book, logger } = this.#ports
    const { jobId } = claim.identity
    if (claim.releasedAt === null) return false
    const step = async () => {
      if (book.get(jobId) !== claim || !(await wasReleased(this.#ports, claim))) return false
      logger.info({ job: jobId }, 'a release had taken effect')
      await book.change(claim, { state: 'released' })
      return true
    }
    // Not to be known now; the next beat asks again.
    return book.exclusive(jobId, step).catch(() => true)
  }

  /**
   * A job that the claim's own report ended, of which an earlier daemon could take no note (its disk was full) before
   * it was killed: the delivery finds it counted, and does what comes after. False: it ended otherwise, or has not.
   */
  async #recogniseReport(claim: ClaimRecord, status: string | null): Promise<boolean> {
    const { book, rowSql, logger } = this.#ports
    const { jobId } = claim.identity
    if (status === null || !isFinal(status)) return false
    const step = async () => {
      if (book.get(jobId) !== claim) return false
      const row = await readReported(rowSql, claim.identity, status)
      if (row === null) return false
      logger.info({ job: jobId, status }, 'a report had been delivered')
      const { branch, summary, error, pushedAt } = row
      const report = { status, branch, summary, error, headSha: null, pushed: pushedAt !== null }
      await book.changeAnyway(claim, { state: 'reporting', report, delivered: true })
      return true
    }
    // Not to be known now; the next beat asks again.
    return book.exclusive(jobId, step).catch(() => true)
  }

  /**
   * Claims under our name that nobody here remembers: nobody can be working on them. One at a time, so that
   * locked rows take one connection and no more.
   */
  async #releaseStrays(snapshot: BeatSnapshot, answer: BeatAnswer): Promise<void> {
    const { book, rowSql, instanceId, authority, logger } = this.#ports
    const caller = authority.current()
    if (caller === null || snapshot.claimInFlight || snapshot.claimsBegun !== this.#loop.claimsBegun) return
    if (this.#isReleasing) return
    this.#isReleasing = true
    for (const stray of answer.strays) {
      if (book.get(stray.jobId)?.identity.claimedAt === stray.claimedAt) continue
      try {
        if ((await release(rowSql, { ...stray, instanceId })) !== null)
          logger.info({ job: stray.jobId }, 'released a claim that a crash had left behind')
      } catch (error) {
        logger.debug({ job: stray.jobId, err: messageOf(error) }, 'a claim left behind is still there')
      }
    }
    this.#isReleasing = false
  }

  async #rescue(): Promise<void> {
    const { sql, instanceId, authority, book, settings, logger } = this.#ports
    const caller = authority.current()
    const now = performance.now()
    const every = Math.min(30_000, (settings.leaseSeconds * 1000) / 3)
    if (caller === null || caller.isDemo || now - this.#lastRescue < every) return
    if (now < this.#rescueFrom) return
    this.#lastRescue = now
    try {
      const own = book.leased().map((claim) => claim.identity.jobId)
      for (const rescued of await rescueExpired(sql, { userId: caller.userId, instanceId, own })) {
        logger.warn(
          { job: rescued.jobId, status: rescued.status, retries: rescued.retryCount },
          'took back an expired lease',
        )
      }
    } catch (error) {
      logger.debug({ err: messageOf(error) }, 'rescue failed')
    }
  }
}
