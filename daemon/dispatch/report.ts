import { isRefusedForGood, isTransient } from '../db/database-error.ts'
import { DaemonError, messageOf, notFound } from '../errors.ts'
import type { ClaimRecord } from '../jobs/claim-record.ts'
import { readLease } from '../jobs/lease.ts'
import { readJob } from '../jobs/read.ts'
import { isFinal, writeReport } from '../jobs/report.ts'
import { inTime } from '../lifecycle/in-time.ts'
import type { Session } from '../sessions/session.ts'
import { demoReadsOnly } from './demo.ts'
import { findHindrance, findWhyLost, lostError, notYours } from './lost.ts'
import { nextAction } from './next-action.ts'
import { isOwner, isStillIts, mayAdopt } from './ownership.ts'
import type { DispatchPorts } from './ports.ts'
import { answer, type ReportAnswer, type ReportInput, STATUS, spooledRow, toReport } from './report-answer.ts'
import type { ReportDelivery } from './report-delivery.ts'
import { DATABASE_WAIT_MS } from './wait.ts'

/** For one look at a worktree, ms. */
const GIT_MS = 5_000
/** For finding out whether the branch is on origin, ms. */
const PUSHED_MS = 8_000

/**
 * Reports of sessions. A final report is written to disk before the database hears of it, so that
 * neither an outage nor a crash loses it; the database's row decides whether it still counts.
 */
export class Reports {
  readonly #ports: DispatchPorts
  readonly #told: (claim: ClaimRecord) => void
  readonly #delivery: ReportDelivery

  constructor(ports: DispatchPorts, delivery: ReportDelivery, told: (claim: ClaimRecord) => void) {
    this.#ports = ports
    this.#delivery = delivery
    this.#told = told
  }

  /** Resolves with a ReportAnswer, of an earlier release's shape where an earlier release wrote it. */
  async report(session: Session, input: ReportInput): Promise<Record<string, unknown>> {
    this.#refuseDemo()
    return this.#ports.book.exclusive(input.jobId, async () => {
      const claim = await this.#owned(session, input.jobId)
      if (claim.state === 'reported' || claim.state === 'reporting')
        return this.#repeated(session, claim, input)
      if (claim.state !== 'released' && input.status === 'running')
        return this.#running(session, claim, input)
      return this.#delivery.onItsWay(input.jobId, () => this.#final(session, claim, input))
    })
  }

  /**
   * Tells that the session is alive; adopts an orphaned claim that it names. Answers the lease's end, ISO, UTC;
   * undefined while the database cannot be asked.
   */
  async heartbeat(session: Session, jobId: string): Promise<string | null | undefined> {
    this.#refuseDemo()
    return this.#ports.book.exclusive(jobId, async () => {
      const claim = await this.#owned(session, jobId)
      if (claim.state === 'reported' || claim.state === 'reporting') throw terminal(claim)
      if (claim.state === 'released') throw notYours(jobId)
      if (this.#ports.authority.current() === null) return undefined
      const lease = await readLease(this.#ports.rowSql, claim.identity).catch((error: unknown) => {
        if (isTransient(error)) return undefined
        throw error
      })
      if (lease === null) throw await this.#superseded(session, claim)
      return lease?.until
    })
  }

  #refuseDemo(): void {
    if (this.#ports.authority.current()?.isDemo === true) throw demoReadsOnly()
  }

  /** The claim this session may report on; adopts an orphan, throws for everything else. */
  async #owned(session: Session, jobId: string): Promise<ClaimRecord> {
    const { book, sessions } = this.#ports
    const claim = book.get(jobId)
    if (claim === undefined) throw await this.#unknown(jobId)
    if (claim.state === 'lost') {
      if (!isOwner(claim, session)) throw notYours(jobId)
      this.#told(claim)
      throw lostError(claim)
    }
    if (isOwner(claim, session)) {
      if (claim.state !== 'undelivered') return claim
      // We took the answer for lost, and the session has it after all.
      return (await book.change(claim, { state: 'held', delivered: true })) ?? claim
    }
    if (claim.state === 'released') {
      if (!isStillIts(claim, session)) throw notYours(jobId)
      return (await book.change(claim, { owner: session.ref })) ?? claim
    }
    const orphaned = claim.state === 'held' || claim.state === 'undelivered'
    const free = orphaned && book.heldBy(session.ref.key) === undefined
    const mayHave = isStillIts(claim, session) || (await mayAdopt(claim, session, sessions))
    if (!free || !mayHave) throw notYours(jobId)
    const adopted = await book.change(claim, { state: 'held', owner: session.ref, delivered: true })
    if (adopted === undefined) throw notYours(jobId)
    return adopted
  }

  async #running(session: Session, claim: ClaimRecord, input: ReportInput): Promise<ReportAnswer> {
    const { rowSql, authority, book } = this.#ports
    await authority.ready(DATABASE_WAIT_MS)
    const row = await writeReport(rowSql, claim.identity, toReport(input, null, false))
    if (row === null)
      throw (await findHindrance(this.#ports, claim)) ?? (await this.#superseded(session, claim))
    await book.changeAnyway(claim, { running: true, delivered: true })
    return answer(claim, row, { worktree: claim.worktree === null ? 'none' : 'kept' }, 'idle')
  }

  async #final(session: Session, claim: ClaimRecord, input: ReportInput): Promise<ReportAnswer> {
    if (input.status === 'running') throw lostError({ ...claim, lost: 'taken' })
    const { book } = this.#ports
    const { jobId } = claim.identity
    const first = toReport(input, await this.#head(claim), false)
    // On disk before anything that may take long: from here on the report cannot be lost.
    // A disk that is full keeps it from nobody but a crash: the database may take it.
    const noted = await book.changeAnyway(claim, { state: 'reporting', report: first, delivered: true })
    if (noted.claim === undefined) throw notYours(jobId)
    const pushed = input.branch !== null && (await this.#isPushed(jobId, input.branch))
    const report = { ...first, pushed }
    const { claim: spooled, fault } = pushed ? await book.changeAnyway(noted.claim, { report }) : noted
    if (spooled === undefined) throw notYours(jobId)
    const takeBack = () => book.changeAnyway(spooled, { state: claim.state, report: null })
    const written = await this.#delivery.deliver(spooled, report).catch(async (error: unknown) => {
      // It will never be taken: the job stays its session's, which hears why and may report otherwise.
      if (isRefusedForGood(error)) await takeBack()
      throw error
    })
    if (written === 'spooled' && fault !== undefined) {
      await takeBack()
      throw nowhereKept(jobId, fault)
    }
    if (written === 'spooled') {
      // From now on only the disk knows of it.
      await book.settle()
      return answer(spooled, spooledRow(report), { worktree: 'kept' }, 'wait_for_job_again', false)
    }
    if (written === 'lost') throw await this.#superseded(session, spooled)
    return { ...written, next_action: await this.#next(session, claim.userId) }
  }

  /** What the worktree's HEAD is at, for the board; null where that cannot be read. */
  async #head(claim: ClaimRecord): Promise<string | null> {
    if (claim.worktree === null) return null
    const call = { dir: claim.worktree.path, deadlineMs: GIT_MS }
    return this.#ports.git.text(call, 'rev-parse', '--verify', 'HEAD^{commit}').catch(() => null)
  }

  /** Git may have to ask origin, behind whatever else is done to the clone; the report does not wait for that long. */
  async #isPushed(jobId: string, branch: string): Promise<boolean> {
    const asked = this.#ports.worktrees.headIsPushed(jobId, branch).catch(() => false)
    return (await inTime(asked, PUSHED_MS)) === true
  }

  /** The same final report asked again by its owner succeeds; another one comes too late. */
  async #repeated(
    session: Session,
    claim: ClaimRecord,
    input: ReportInput,
  ): Promise<Record<string, unknown>> {
    if (claim.report?.status !== STATUS[input.status]) throw terminal(claim)
    let result = claim.result
    if (claim.state === 'reporting') {
      const written = await this.#delivery.deliver(claim, claim.report, true)
      if (written === 'spooled')
        return answer(claim, spooledRow(claim.report), { worktree: 'kept' }, 'wait_for_job_again', false)
      if (written === 'lost') throw await this.#superseded(session, claim)
      result = written
    }
    if (result === null) throw terminal(claim)
    return { ...result, next_action: await this.#next(session, claim.userId) }
  }

  async #superseded(session: Session, claim: ClaimRecord): Promise<DaemonError> {
    const { book } = this.#ports
    const why = await findWhyLost(this.#ports, claim)
    const lost = (await book.change(claim, { state: 'lost', lost: why })) ?? { ...claim, lost: why }
    if (isOwner(lost, session)) this.#told(lost)
    return lostError(lost)
  }

  async #next(session: Session, userId: string): Promise<'wait_for_job_again' | 'queue_empty'> {
    return nextAction(this.#ports, session, userId).catch(() => 'wait_for_job_again')
  }

  /** Why a job that nothing is remembered of cannot be reported on. */
  async #unknown(jobId: string): Promise<DaemonError> {
    const caller = await this.#ports.authority.ready(DATABASE_WAIT_MS)
    const row = await readJob(this.#ports.rowSql, caller.userId, jobId)
    if (row === null) return notFound('Job', jobId)
    if (row.status === 'CANCELLED') {
      return new DaemonError(
        'JOB_CANCELLED',
        `Job ${jobId} was cancelled in Scrum4Me; nothing was changed`,
        'Call wait_for_job for the next job.',
      )
    }
    if (isFinal(row.status)) {
      return new DaemonError(
        'JOB_TERMINAL',
        `Job ${jobId} has already ended as ${row.status.toLowerCase()}; nothing was changed`,
        'Call wait_for_job for the next job.',
      )
    }
    return notYours(jobId)
  }
}

function nowhereKept(jobId: string, fault: unknown): DaemonError {
  return new DaemonError(
    'DISK_LOW',
    `The database does not answer, and the report on job ${jobId} cannot be kept on disk either (${messageOf(fault)}); nothing was changed`,
    'Free some space on the disk of the daemon’s home, then report again: the job is still yours.',
    fault,
  )
}

function terminal(claim: ClaimRecord): DaemonError {
  const ended = claim.report?.status.toLowerCase() ?? 'ended'
  return new DaemonError(
    'JOB_TERMINAL',
    `Job ${claim.identity.jobId} has already ended as ${ended}; nothing was changed`,
    'Call wait_for_job for the next job.',
  )
}
