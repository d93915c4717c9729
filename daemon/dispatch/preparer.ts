import { isConnectionFailure } from '../db/database-error.ts'
import { DaemonError, messageOf, toDaemonError } from '../errors.ts'
import { attach } from '../jobs/attach.ts'
import type { ClaimedJob } from '../jobs/claim.ts'
import type { ClaimRecord } from '../jobs/claim-record.ts'
import { fail, release } from '../jobs/release.ts'
import { LimitPerKey } from '../lifecycle/limit-per-key.ts'
import { claimRecordOf } from './claim-record-of.ts'
import { earlierOwners } from './earlier-owners.ts'
import type { JobBackoff } from './job-backoff.ts'
import { findHindrance } from './lost.ts'
import type { DispatchPorts } from './ports.ts'
import type { Waiter, WaitQueue } from './waiter.ts'

/** What a claim becomes with its worktree. */
type Ready = Pick<ClaimRecord, 'worked' | 'worktree' | 'answer'>

/** Whether a session may have worked on the job here before, given whether its worktree was there. */
type IsWorked = (reused: boolean) => boolean

/**
 * Turns a claim into an answer: makes the worktree, attaches branch and base commit, hands it to the
 * session. Runs beside the claim loop, one job after the other per job id, never one job after another.
 */
export class Preparer {
  readonly #ports: DispatchPorts
  readonly #queue: WaitQueue
  readonly #backoff: JobBackoff
  readonly #running = new Set<Promise<void>>()
  readonly #abort = new AbortController()
  /** Checkouts at a time, counted for each clone: one that fetches for minutes keeps no other waiting. */
  readonly #creations = new LimitPerKey(8)
  #nudge: () => void = () => undefined

  constructor(ports: DispatchPorts, queue: WaitQueue, jobBackoff: JobBackoff) {
    this.#ports = ports
    this.#queue = queue
    this.#backoff = jobBackoff
  }

  /** Whom to tell when a claim or a waiter has become free again. */
  onFree(nudge: () => void): void {
    this.#nudge = nudge
  }

  /** A job just claimed, for the waiter that stood in line. */
  begin(claimed: ClaimedJob, userId: string, repoRoot: string, waiter: Waiter): void {
    const before = this.#ports.book.get(claimed.identity.jobId)
    const claim = claimRecordOf(claimed, { userId, repoRoot, owner: waiter.session.ref, before })
    const stored = this.#ports.book.add(claim)
    // A worktree that outlived our memory of its job may have been worked in, too.
    const worked = claim.worked || before === undefined
    this.#run(claim, waiter, stored, (reused) => reused && worked)
  }

  /** A claim that is here already (undelivered, orphaned), for the next waiter. */
  hand(claim: ClaimRecord, waiter: Waiter): void {
    const { book } = this.#ports
    const worked = claim.worked || claim.delivered
    const stored = book.change(claim, {
      state: 'preparing',
      owner: waiter.session.ref,
      earlier: earlierOwners(claim),
      delivered: false,
      worked,
    })
    this.#run(claim, waiter, stored, () => worked)
  }

  /** Resolves when nothing is being prepared any more; git is told to end early. */
  async stop(): Promise<void> {
    this.#abort.abort()
    await Promise.allSettled(this.#running)
  }

  #run(claim: ClaimRecord, waiter: Waiter, stored: Promise<unknown>, isWorked: IsWorked): void {
    waiter.assigned = true
    const { book, logger } = this.#ports
    const { jobId } = claim.identity
    // Awaited below, in its turn; until then nobody may take its failure for unhandled.
    stored.catch(() => undefined)
    const work = book
      .exclusive(jobId, async () => {
        await this.#prepare(claim, waiter, isWorked, stored)
      })
      .catch((error: unknown) => {
        logger.error({ job: jobId, err: messageOf(error) }, 'preparing a claim failed')
        const problem = toDaemonError(error)
        waiter.fail(problem)
        this.#backoff.failed(jobId, claim.taskLabel, problem)
        // Whatever went wrong, the claim must not stay where nobody looks for it; memory moves at once.
        const now = book.get(jobId)
        // Held already when only the note of it could not be written: the answer waited for that, and has not left.
        const isHere = now?.state === 'preparing' || now?.state === 'held'
        if (isHere && now.identity.claimedAt === claim.identity.claimedAt) {
          return book.change(now, { state: 'undelivered' }).then(
            () => undefined,
            () => undefined,
          )
        }
      })
      .finally(() => {
        this.#running.delete(work)
        // Whatever came of it: a waiter without an answer stands in line again.
        waiter.assigned = false
        if (!waiter.settled || book.get(jobId)?.state === 'undelivered') this.#nudge()
      })
    this.#running.add(work)
  }

  async #prepare(
    given: ClaimRecord,
    waiter: Waiter,
    isWorked: IsWorked,
    stored: Promise<unknown>,
  ): Promise<void> {
    const { book, rowSql, worktrees, authority, logger } = this.#ports
    const claim = book.get(given.identity.jobId)
    if (claim?.identity.claimedAt !== given.identity.claimedAt || claim.state !== 'preparing') return
    if (claim.answer.task === null || claim.answer.story === null) {
      await fail(rowSql, claim.identity, 'Its task or story is gone from the backlog.')
      await book.forget(claim)
      return
    }
    const prepare = this.#ports.roots.preparation(claim.productId)
    prepare.catch(() => undefined)
    const attachTo = (to: { branch: string; baseSha: string }) =>
      attach(rowSql, claim.identity, to).catch((error: unknown) => {
        logger.warn({ job: claim.identity.jobId, err: messageOf(error) }, 'could not attach the worktree')
        if (isConnectionFailure(error)) authority.lost(error)
        else this.#backoff.failed(claim.identity.jobId, claim.taskLabel, toDaemonError(error))
        return null
      })
    let attaching: ReturnType<typeof attachTo> | undefined
    let made: Awaited<ReturnType<typeof worktrees.create>>
    try {
      made = await this.#creations.run(claim.repoRoot, () =>
        worktrees.create({
          jobId: claim.identity.jobId,
          repoRoot: claim.repoRoot,
          sshAuthSock: waiter.session.hello?.sshAuthSock ?? null,
          signal: this.#abort.signal,
          // The database notes it while the disk does.
          onMade: (to) => {
            attaching = attachTo(to)
          },
          prepare,
        }),
      )
    } catch (error) {
      await this.#failedHere(claim, waiter, error)
      return
    }
    // That the claim is ours is on the disk before anybody hears of it.
    await stored
    const attached = await (attaching ?? attachTo(made))
    if (attached === null) {
      // The database went away in between: the claim stays here, its waiter in line, and both are tried again.
      await book.change(claim, { state: 'undelivered' })
      return
    }
    if (!attached) {
      const hindrance = await findHindrance(this.#ports, claim)
      // It is kept and rests, as every claim whose preparing failed.
      if (hindrance !== null) throw hindrance
      await book.change(claim, { state: 'lost', lost: 'taken' })
      return
    }
    this.#backoff.succeeded(claim.identity.jobId)
    if (made.warnings.length > 0) {
      logger.info({ job: claim.identity.jobId, warnings: made.warnings }, 'a worktree is made, with warnings')
    }
    this.#ports.worktreesChanged()
    const resumed = isWorked(made.reused)
    await this.#deliver(claim, waiter, resumed, {
      worked: resumed,
      worktree: { path: made.path, branch: made.branch, baseSha: made.baseSha },
      answer: {
        ...claim.answer,
        worktree_path: made.path,
        branch_name: made.branch,
        base_sha: made.baseSha,
        base_fetched: made.baseFetched,
        warnings: made.warnings,
      },
    })
  }

  async #deliver(claim: ClaimRecord, first: Waiter, resumed: boolean, ready: Ready): Promise<void> {
    const { book, logger } = this.#ports
    // The call it was made for may be over; a newer one of the same session takes it.
    const waiter = first.settled ? this.#queue.of(first.session.ref.key) : first
    if (waiter === undefined) {
      await book.change(claim, { ...ready, state: 'undelivered' })
      return
    }
    // On disk before the answer leaves: after a crash in between, the session's call asks again and gets it.
    const held = await book.change(claim, { ...ready, state: 'held', owner: waiter.session.ref })
    if (held === undefined) return
    const { jobId } = claim.identity
    if (!waiter.settle({ kind: 'job', jobId, answer: held.answer, resumed })) {
      await book.change(held, { state: 'undelivered' })
      return
    }
    const { taskLabel, worktree } = held
    const session = waiter.session.ref.sessionId
    logger.info(
      { job: jobId, task: taskLabel, session, worktree: worktree?.path, resumed },
      'a job is handed out',
    )
  }

  /** What fails only here leaves the job QUEUED, is told to the waiter once, and rests here. */
  async #failedHere(claim: ClaimRecord, waiter: Waiter, error: unknown): Promise<void> {
    const { book, rowSql, logger } = this.#ports
    const { jobId } = claim.identity
    if (this.#abort.signal.aborted) {
      await book.change(claim, { state: 'undelivered' })
      return
    }
    const problem = toDaemonError(error)
    const restMs = this.#backoff.failed(jobId, claim.taskLabel, problem)
    logger.warn(
      { job: jobId, code: problem.code, err: problem.message, rest_ms: restMs },
      'no worktree for a claimed job; it goes back to the queue',
    )
    if (claim.worked) {
      // A session worked on it before: its worktree must not be given up because git failed just now.
      await book.change(claim, { state: 'undelivered' })
    } else {
      const released = await release(rowSql, claim.identity).catch(() => undefined)
      if (released === undefined) await book.change(claim, { state: 'undelivered' })
      else await book.forget(claim)
    }
    const { code, message, remedy } = problem
    waiter.fail(new DaemonError(code, `${message}; job ${jobId} is kept for a later try`, remedy, problem))
  }
}
