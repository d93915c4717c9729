import { isConnectionFailure } from '../db/database-error.ts'
import { DaemonError, messageOf, notFound } from '../errors.ts'
import type { ClaimRecord } from '../jobs/claim-record.ts'
import { readJob } from '../jobs/read.ts'
import { type Report, type ReportedRow, writeLateReport, writeReport } from '../jobs/report.ts'
import type { Session } from '../sessions/session.ts'
import { lostError, notYours } from './lost.ts'
import { nextAction } from './next-action.ts'
import { isOwner, mayAdopt } from './ownership.ts'
import type { DispatchPorts } from './ports.ts'
import { DATABASE_WAIT_MS } from './wait.ts'

export interface ReportInput {
  readonly jobId: string
  readonly status: 'running' | 'done' | 'failed' | 'skipped'
  readonly branch: string | null
  readonly summary: string | null
  readonly error: string | null
}

/** The output of `update_job_status` (contract 6). */
export interface ReportAnswer extends Record<string, unknown> {
  readonly job_id: string
  readonly status: string
  readonly delivered: boolean
  readonly branch: string | null
  readonly pushed_at: string | null
  readonly summary: string | null
  readonly error: string | null
  readonly started_at: string | null
  readonly finished_at: string | null
  readonly worktree: 'removed' | 'deferred' | 'kept' | 'none'
  readonly salvage_ref: string | null
  readonly ignored: { files: number; bytes: number } | null
  readonly next_action: 'idle' | 'wait_for_job_again' | 'queue_empty'
}

/** For one look at a worktree, ms. */
const GIT_MS = 5_000

const STATUS = { running: 'RUNNING', done: 'DONE', failed: 'FAILED', skipped: 'SKIPPED' } as const

/**
 * Reports of sessions. A final report is written to disk before the database hears of it, so that
 * neither an outage nor a crash loses it; the database's row decides whether it still counts.
 */
export class Reports {
  readonly #ports: DispatchPorts
  readonly #told: (claim: ClaimRecord) => void
  #delivering = false

  constructor(ports: DispatchPorts, told: (claim: ClaimRecord) => void) {
    this.#ports = ports
    this.#told = told
  }

  report(session: Session, input: ReportInput): Promise<ReportAnswer> {
    return this.#ports.book.exclusive(input.jobId, async () => {
      const claim = await this.#owned(session, input.jobId)
      if (claim.state === 'reported' || claim.state === 'reporting')
        return this.#repeated(session, claim, input)
      if (claim.state === 'released') return this.#final(session, claim, input)
      if (input.status === 'running') return this.#running(session, claim, input)
      return this.#final(session, claim, input)
    })
  }

  /** Tells that the session is alive; adopts an orphaned claim that it names. */
  heartbeat(session: Session, jobId: string): Promise<ClaimRecord> {
    return this.#ports.book.exclusive(jobId, async () => {
      const claim = await this.#owned(session, jobId)
      if (claim.state === 'reported' || claim.state === 'reporting') throw terminal(claim)
      if (claim.state === 'released') throw notYours(jobId)
      return claim
    })
  }

  /**
   * Writes the reports that wait on disk; called after every heartbeat. Returns at once: what a report
   * brings with it (saving work, removing a worktree) may take long, and a heartbeat waits for nothing.
   */
  deliverSpooled(): void {
    if (this.#delivering) return
    this.#delivering = true
    this.#deliverAll()
      .catch((error: unknown) => {
        this.#ports.logger.debug({ err: messageOf(error) }, 'a spooled report could not be delivered now')
      })
      .finally(() => {
        this.#delivering = false
      })
  }

  async #deliverAll(): Promise<void> {
    const { book } = this.#ports
    for (const spooled of book.inState('reporting')) {
      const { jobId } = spooled.identity
      if (book.isBusy(jobId)) continue
      await book.exclusive(jobId, async () => {
        const claim = book.get(jobId)
        if (claim?.state !== 'reporting' || claim.report === null) return
        await this.#write(claim, claim.report)
      })
    }
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
    const orphaned = claim.state === 'held' || claim.state === 'undelivered'
    const free = orphaned && book.heldBy(session.ref.key) === undefined
    if (!free || !(await mayAdopt(claim, session, sessions, Date.now()))) throw notYours(jobId)
    const adopted = await book.change(claim, { state: 'held', owner: session.ref, delivered: true })
    if (adopted === undefined) throw notYours(jobId)
    return adopted
  }

  async #running(session: Session, claim: ClaimRecord, input: ReportInput): Promise<ReportAnswer> {
    const { sql, authority, book } = this.#ports
    await authority.ready(DATABASE_WAIT_MS)
    const row = await writeReport(sql, claim.identity, toReport(input, null, false))
    if (row === null) throw await this.#superseded(session, claim)
    await book.change(claim, { running: true, delivered: true })
    return answer(claim, row, { worktree: claim.worktree === null ? 'none' : 'kept' }, 'idle')
  }

  async #final(session: Session, claim: ClaimRecord, input: ReportInput): Promise<ReportAnswer> {
    if (input.status === 'running') throw lostError({ ...claim, lost: 'taken' })
    const { book, worktrees } = this.#ports
    const { jobId } = claim.identity
    const headSha = await this.#head(claim)
    const pushed =
      input.branch !== null && (await worktrees.headIsPushed(jobId, input.branch).catch(() => false))
    const report = toReport(input, headSha, pushed)
    const releasedAt = claim.state === 'released' ? claim.releasedAt : null
    const spooled = await book.change(claim, { state: 'reporting', report, releasedAt, delivered: true })
    if (spooled === undefined) throw notYours(jobId)
    const written = await this.#deliver(spooled, report)
    if (written === 'spooled')
      return answer(spooled, spooledRow(report), { worktree: 'kept' }, 'wait_for_job_again', false)
    if (written === 'lost') throw await this.#superseded(session, spooled)
    return { ...written, next_action: await this.#next(session, claim.userId) }
  }

  /** What the worktree's HEAD is at, for the board; null where that cannot be read. */
  async #head(claim: ClaimRecord): Promise<string | null> {
    if (claim.worktree === null) return null
    const call = { dir: claim.worktree.path, deadlineMs: GIT_MS }
    return this.#ports.git.text(call, 'rev-parse', '--verify', 'HEAD^{commit}').catch(() => null)
  }

  /** The same final report asked again by its owner succeeds; another one comes too late. */
  async #repeated(session: Session, claim: ClaimRecord, input: ReportInput): Promise<ReportAnswer> {
    if (claim.report?.status !== STATUS[input.status]) throw terminal(claim)
    let result = claim.result
    if (claim.state === 'reporting') {
      const written = await this.#deliver(claim, claim.report)
      if (written === 'spooled')
        return answer(claim, spooledRow(claim.report), { worktree: 'kept' }, 'wait_for_job_again', false)
      if (written === 'lost') throw await this.#superseded(session, claim)
      result = written
    }
    if (result === null) throw terminal(claim)
    return { ...(result as ReportAnswer), next_action: await this.#next(session, claim.userId) }
  }

  /** Tries for ten seconds; then the report stays on disk and is delivered when the database is back. */
  async #deliver(claim: ClaimRecord, report: Report): Promise<ReportAnswer | 'lost' | 'spooled'> {
    const { authority, logger } = this.#ports
    const until = performance.now() + DATABASE_WAIT_MS
    for (;;) {
      try {
        await authority.ready(Math.max(0, until - performance.now()))
        return await this.#write(claim, report)
      } catch (error) {
        if (error instanceof DaemonError) {
          if (error.code !== 'DATABASE_UNAVAILABLE' && error.code !== 'UNAUTHORIZED') throw error
          logger.warn({ job: claim.identity.jobId }, 'a final report waits on disk for the database')
          return 'spooled'
        }
        if (!isConnectionFailure(error)) throw error
        authority.lost(error)
      }
    }
  }

  /** One try to write a spooled report. Afterwards the claim is reported or lost. */
  async #write(claim: ClaimRecord, report: Report): Promise<ReportAnswer | 'lost'> {
    const { sql, book } = this.#ports
    const row =
      claim.releasedAt === null
        ? await writeReport(sql, claim.identity, report)
        : await writeLateReport(sql, claim.identity, claim.releasedAt, report)
    const counted = row ?? (await this.#writtenBefore(claim, report))
    if (counted === null) {
      await book.change(claim, { state: 'lost', lost: await this.#whyLost(claim) })
      return 'lost'
    }
    const removal = await this.#removeWorktree(claim, report)
    const result = answer(claim, counted, removal, 'queue_empty')
    await book.change(claim, { state: 'reported', result })
    return result
  }

  /** A crash between the database's commit and our note of it: the row already says what we report. */
  async #writtenBefore(claim: ClaimRecord, report: Report): Promise<ReportedRow | null> {
    const { rows } = await this.#ports.sql.query<{ at: Date | null; branch: string | null }>({
      text: `select finished_at as at, branch from claude_jobs
              where id = $1 and claimed_by_token_id = $2 and worker_instance_id = $3
                and claimed_at = $4::timestamp(3) and status::text = $5`,
      values: [
        claim.identity.jobId,
        claim.identity.tokenId,
        claim.identity.instanceId,
        claim.identity.claimedAt,
        report.status,
      ],
    })
    const row = rows[0]
    if (row === undefined) return null
    return { ...spooledRow(report), finishedAt: row.at?.toISOString() ?? null }
  }

  async #removeWorktree(claim: ClaimRecord, report: Report): Promise<Removal> {
    const keep = report.status === 'DONE' && report.branch !== null
    try {
      const removed = await this.#ports.worktrees.remove({
        jobId: claim.identity.jobId,
        branch: keep ? 'keep' : 'delete',
        ...(report.branch === null ? {} : { reportedBranch: report.branch }),
      })
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

  async #superseded(session: Session, claim: ClaimRecord): Promise<DaemonError> {
    const { book } = this.#ports
    const why = await this.#whyLost(claim)
    const lost = (await book.change(claim, { state: 'lost', lost: why })) ?? { ...claim, lost: why }
    if (isOwner(lost, session)) this.#told(lost)
    return lostError(lost)
  }

  async #whyLost(claim: ClaimRecord): Promise<'taken' | 'cancelled' | 'gone'> {
    const row = await readJob(this.#ports.sql, claim.userId, claim.identity.jobId)
    if (row === null) return 'gone'
    return row.status === 'CANCELLED' ? 'cancelled' : 'taken'
  }

  async #next(session: Session, userId: string): Promise<'wait_for_job_again' | 'queue_empty'> {
    return nextAction(this.#ports, session, userId).catch(() => 'wait_for_job_again')
  }

  /** Why a job that nothing is remembered of cannot be reported on. */
  async #unknown(jobId: string): Promise<DaemonError> {
    const caller = await this.#ports.authority.ready(DATABASE_WAIT_MS)
    const row = await readJob(this.#ports.sql, caller.userId, jobId)
    if (row === null) return notFound('Job', jobId)
    if (row.status === 'CANCELLED') {
      return new DaemonError(
        'JOB_CANCELLED',
        `Job ${jobId} was cancelled in Scrum4Me; nothing was changed`,
        'Call wait_for_job for the next job.',
      )
    }
    if (['DONE', 'FAILED', 'SKIPPED'].includes(row.status)) {
      return new DaemonError(
        'JOB_TERMINAL',
        `Job ${jobId} has already ended as ${row.status.toLowerCase()}; nothing was changed`,
        'Call wait_for_job for the next job.',
      )
    }
    return notYours(jobId)
  }
}

interface Removal {
  readonly worktree: ReportAnswer['worktree']
  readonly salvage_ref?: string | null
  readonly ignored?: { files: number; bytes: number } | null
}

function toReport(input: ReportInput, headSha: string | null, pushed: boolean): Report {
  return {
    status: STATUS[input.status],
    branch: input.branch,
    summary: input.summary,
    error: input.error,
    headSha,
    pushed,
  }
}

function spooledRow(report: Report): ReportedRow {
  return {
    status: report.status,
    branch: report.branch,
    pushedAt: null,
    summary: report.summary,
    error: report.error,
    startedAt: null,
    finishedAt: null,
  }
}

function answer(
  claim: ClaimRecord,
  row: ReportedRow,
  removal: Removal,
  next: ReportAnswer['next_action'],
  delivered = true,
): ReportAnswer {
  return {
    job_id: claim.identity.jobId,
    status: row.status.toLowerCase(),
    delivered,
    branch: row.branch,
    pushed_at: row.pushedAt,
    summary: row.summary,
    error: row.error,
    started_at: row.startedAt,
    finished_at: row.finishedAt,
    worktree: removal.worktree,
    salvage_ref: removal.salvage_ref ?? null,
    ignored: removal.ignored ?? null,
    next_action: next,
  }
}

function terminal(claim: ClaimRecord): DaemonError {
  const ended = claim.report?.status.toLowerCase() ?? 'ended'
  return new DaemonError(
    'JOB_TERMINAL',
    `Job ${claim.identity.jobId} has already ended as ${ended}; nothing was changed`,
    'Call wait_for_job for the next job.',
  )
}
