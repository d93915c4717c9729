import { isConnectionFailure, isRefusedForGood, readDatabaseError } from '../db/database-error.ts'
import { DaemonError, messageOf } from '../errors.ts'
import type { ClaimRecord, Lost } from '../jobs/claim-record.ts'
import { type Report, type ReportedRow, readReported, writeLateReport, writeReport } from '../jobs/report.ts'
import { delay } from '../lifecycle/delay.ts'
import { inTime } from '../lifecycle/in-time.ts'
import { Limit } from '../lifecycle/limit.ts'
import { LimitPerKey } from '../lifecycle/limit-per-key.ts'
import { findHindrance, findWhyLost } from './lost.ts'
import type { DispatchPorts } from './ports.ts'
import { answer, type Removal, type ReportAnswer } from './report-answer.ts'
import { DATABASE_WAIT_MS } from './wait.ts'

/** Between two tries against a database that answers, and says that it is busy. */
const RETRY_MS = 250

/**
 * The way of a final report from the disk to the database: tried at once and after every heartbeat until
 * the database has said that it counts, or that the claim is another's.
 */
export class ReportDelivery {
  readonly #ports: DispatchPorts
  readonly #lost: (claim: ClaimRecord) => void
  /** By clone: a hundred agents may report in the same moment. */
  readonly #removals = new LimitPerKey(2)
  /** Jobs whose report has not waited yet, or counts already and only its worktree is still to go. */
  readonly #onItsWay = new Set<string>()
  #delivering = false

  /** @param lost tells a claim's session that its claim is another's, where nobody waits for the answer */
  constructor(ports: DispatchPorts, lost: (claim: ClaimRecord) => void) {
    this.#ports = ports
    this.#lost = lost
  }

  /** Jobs whose final report waits on disk for the database. */
  get waiting(): string[] {
    return this.#ports.book
      .inState('reporting')
      .map((claim) => claim.identity.jobId)
      .filter((jobId) => !this.#onItsWay.has(jobId))
  }

  /** For the time of `work` the job's report does not count as one that waits. */
  async onItsWay<T>(jobId: string, work: () => Promise<T>): Promise<T> {
    this.#onItsWay.add(jobId)
    try {
      return await work()
    } finally {
      this.#onItsWay.delete(jobId)
    }
  }

  /**
   * Writes the reports that wait on disk; called after every heartbeat. Returns at once: what a report
   * brings with it (saving work, removing a worktree) may take long, and a heartbeat waits for nothing.
   */
  deliverSpooled(): void {
    if (this.#delivering) return
    this.#delivering = true
    const { book } = this.#ports
    const spooled = book.inState('reporting').map((claim) => claim.identity.jobId)
    const limit = new Limit(4)
    // Each by itself: one that the database refuses must not stand in the others' way.
    const tries = spooled
      .filter((jobId) => !book.isBusy(jobId))
      .map((jobId) => limit.run(() => this.#tryOne(jobId)))
    void Promise.all(tries).finally(() => {
      this.#delivering = false
    })
  }

  async #tryOne(jobId: string): Promise<void> {
    const { book, logger } = this.#ports
    try {
      await book.exclusive(jobId, async () => {
        const claim = book.get(jobId)
        if (claim?.state !== 'reporting' || claim.report === null) return
        const row = await this.#writeRow(claim, claim.report)
        if ((await this.#settle(claim, claim.report, true, row)) !== 'lost') return
        logger.warn({ job: jobId }, 'a report that had waited on disk came too late: another has the job')
        const lost = book.get(jobId)
        if (lost !== undefined) this.#lost(lost)
      })
    } catch (error) {
      logger.warn(
        { job: jobId, err: messageOf(error) },
        'a report that waits on disk could not be delivered now',
      )
    }
  }

  /**
   * Tries for ten seconds; then the report stays on disk and is delivered when the database is back.
   * `waited`: it did already, so that its coming too late is a person's to know as well.
   */
  async deliver(
    claim: ClaimRecord,
    report: Report,
    waited = false,
  ): Promise<ReportAnswer | 'lost' | 'spooled'> {
    const { authority, logger } = this.#ports
    const until = performance.now() + DATABASE_WAIT_MS
    do {
      try {
        await authority.ready(Math.max(0, until - performance.now()))
        const row = await inTime(this.#writeRow(claim, report), until - performance.now())
        // Should it be written after all, the next delivery finds it so.
        if (row === 'late') break
        return await this.#settle(claim, report, waited, row)
      } catch (error) {
        if (error instanceof DaemonError) {
          if (error.code !== 'DATABASE_UNAVAILABLE' && error.code !== 'UNAUTHORIZED') throw error
          break
        }
        if (readDatabaseError(error) === undefined || isRefusedForGood(error)) throw error
        if (isConnectionFailure(error)) authority.lost(error)
        // Locked, overloaded, a password changed: the report is on disk, so an error now would say less than the truth.
        else await delay(RETRY_MS)
      }
    } while (performance.now() < until)
    logger.warn({ job: claim.identity.jobId }, 'a final report waits on disk for the database')
    return 'spooled'
  }

  /** One try to write a spooled report; null: it does not count any more. */
  async #writeRow({ identity, releasedAt }: ClaimRecord, report: Report): Promise<ReportedRow | null> {
    const { rowSql } = this.#ports
    // Of a release that was tried, only the row says whether it took effect.
    const late = releasedAt === null ? null : await writeLateReport(rowSql, identity, releasedAt, report)
    return (
      late ??
      (await writeReport(rowSql, identity, report)) ??
      // A crash between the database's commit and our note of it: the row already says what we report.
      (await readReported(rowSql, identity, report.status))
    )
  }

  /** What the database's answer means. Afterwards the claim is reported or lost. */
  async #settle(
    claim: ClaimRecord,
    report: Report,
    waited: boolean,
    counted: ReportedRow | null,
  ): Promise<ReportAnswer | 'lost'> {
    const { book } = this.#ports
    const { identity } = claim
    if (counted === null) {
      const hindrance = await findHindrance(this.#ports, claim)
      if (hindrance !== null) throw hindrance
      const lost = await findWhyLost(this.#ports, claim)
      // First: a crash in between finds it out once more.
      if (waited) await this.#noteSuperseded(claim, report, lost)
      await book.change(claim, { state: 'lost', lost })
      return 'lost'
    }
    return this.onItsWay(identity.jobId, () => this.#conclude(claim, report, counted))
  }

  /** The report counts: what is left of the job here goes. */
  async #conclude(claim: ClaimRecord, report: Report, counted: ReportedRow): Promise<ReportAnswer> {
    const removal = await this.#removeWorktree(claim, report)
    const result = answer(claim, counted, removal, 'queue_empty')
    const { worktree, salvage_ref: saved } = removal
    this.#ports.logger.info(
      { job: claim.identity.jobId, task: claim.taskLabel, status: report.status, worktree, saved },
      'a job is reported',
    )
    // A day of these is remembered; what the job was about is not needed any more.
    // Without the note, the next start asks the database once more.
    await this.#ports.book.changeAnyway(claim, { state: 'reported', result, answer: {} })
    return result
  }

  async #noteSuperseded(claim: ClaimRecord, report: Report, lost: Lost): Promise<void> {
    const { status, summary, branch, headSha, pushed } = report
    const { taskLabel, repoRoot } = claim
    const { jobId } = claim.identity
    await this.#ports.superseded.add({
      ...{ jobId, taskLabel, repoRoot, lost },
      ...{ status, summary, branch, headSha, pushed },
    })
  }

  async #removeWorktree(claim: ClaimRecord, report: Report): Promise<Removal> {
    // Another instance's, which may have the job again: its worktrees are not ours to remove.
    if (claim.identity.instanceId !== this.#ports.instanceId) return { worktree: 'kept' }
    const keep = report.status === 'DONE' && report.branch !== null
    try {
      const removed = await this.#removals.run(claim.repoRoot, () =>
        this.#ports.worktrees.remove({
          jobId: claim.identity.jobId,
          // Of a job that is not done, the branch goes under whatever name it was reported (contract 4).
          ...(keep ? { branch: 'keep', reportedBranch: report.branch } : { branch: 'delete' }),
        }),
      )
      this.#ports.worktreesChanged()
      return { worktree: removed.outcome, salvage_ref: removed.salvageRef, ignored: removed.ignored }
    } catch (error) {
      // The report counts; the worktree stays, with everything in it, for reconciliation to try again.
      this.#ports.logger.warn(
        { job: claim.identity.jobId, err: String(error) },
        'worktree kept: it could not be removed',
      )
      return { worktree: 'kept' }
    }
  }
}
