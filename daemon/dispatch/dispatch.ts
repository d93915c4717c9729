import type { ClaimRecord } from '../jobs/claim-record.ts'
import type { Service } from '../lifecycle/service.ts'
import type { Session } from '../sessions/session.ts'
import { Beats } from './beats.ts'
import { ClaimLoop } from './claim-loop.ts'
import { JobBackoff } from './job-backoff.ts'
import { Nudges } from './nudges.ts'
import type { DispatchPorts } from './ports.ts'
import { Preparer } from './preparer.ts'
import { releaseClaim } from './release-claim.ts'
import { Reports } from './report.ts'
import { ReportDelivery } from './report-delivery.ts'
import { Sweeper } from './sweeper.ts'
import { Waits } from './wait.ts'
import { WaitQueue } from './waiter.ts'

/** Answers whose fate may still matter: two seconds' worth, with room. */
const MAX_ANSWERS = 4096

/** Tells a session something at once, as an MCP log message. */
export type SessionNotice = (sessionKey: string, text: string) => void

/** Where claims, worktrees and sessions meet; one object that tools, control and heartbeat talk to. */
export class Dispatch implements Service {
  readonly name = 'dispatch'
  readonly queue = new WaitQueue()
  readonly backoff = new JobBackoff()
  readonly loop: ClaimLoop
  readonly nudges: Nudges
  readonly waits: Waits
  readonly reports: Reports
  readonly delivery: ReportDelivery
  readonly beats: Beats
  readonly #ports: DispatchPorts
  readonly #preparer: Preparer
  readonly #sweeper: Sweeper
  readonly #notice: SessionNotice
  /** The last answer by job. */
  readonly #answers = new Map<string, number>()
  #lastAnswer = 0

  constructor(ports: DispatchPorts, notice: SessionNotice) {
    this.#ports = ports
    this.#notice = notice
    this.#preparer = new Preparer(ports, this.queue, this.backoff)
    this.loop = new ClaimLoop(ports, this.queue, this.#preparer, this.backoff)
    this.nudges = new Nudges({
      wanted: () => this.queue.all().length > 0,
      isOurs: async (jobId) => {
        await this.loop.pass
        return ports.book.get(jobId) !== undefined
      },
      nudge: () => this.loop.nudge(),
    })
    this.#preparer.onFree(() => this.loop.nudge())
    this.#sweeper = new Sweeper(ports, () => this.loop.nudge())
    const told = (claim: ClaimRecord) => void this.#sweeper.told(claim)
    const lost = (claim: ClaimRecord) => {
      if (claim.owner === null || !claim.delivered) return
      const byPerson = claim.lost === 'cancelled' || claim.lost === 'ended'
      const why = byPerson ? `was ${claim.lost} in Scrum4Me` : 'is no longer held by this session'
      notice(
        claim.owner.key,
        `Job ${claim.identity.jobId} ${why}. Stop working on it; its work is saved before its worktree is removed.`,
      )
    }
    this.beats = new Beats(ports, this.loop, lost)
    this.delivery = new ReportDelivery(ports, lost)
    this.waits = new Waits(ports, this.queue, this.loop, told)
    this.reports = new Reports(ports, this.delivery, told)
  }

  /**
   * Takes up the claims that were remembered. To be called before the first session connects: until all owners
   * are known as sessions that may come back, another could be given their jobs.
   */
  takeUp(): void {
    const { book, sessions } = this.#ports
    // Memory changes at once; what a crash keeps from the disk is found again by the next start.
    const noted = (change: Promise<unknown>) => void change.catch(() => undefined)
    for (const claim of book.all()) {
      if (claim.owner !== null) sessions.restore(claim.owner)
      // A crash in the middle of preparing: whoever asks next gets it, else it is released.
      if (claim.state === 'preparing') noted(book.change(claim, { state: 'undelivered' }))
      // The answer had left, or was about to: whoever has the job next must look at the worktree first.
      if (claim.state === 'held' && !claim.delivered) noted(book.change(claim, { worked: true }))
    }
  }

  async start(): Promise<void> {
    await this.#sweeper.start()
  }

  async stop(): Promise<void> {
    this.nudges.stop()
    await this.loop.stop()
    await this.#preparer.stop()
    await this.#sweeper.stop()
  }

  /** An answer with this job leaves now; the number tells it from earlier and later ones. */
  answered(jobId: string): number {
    this.#lastAnswer += 1
    this.#answers.delete(jobId)
    this.#answers.set(jobId, this.#lastAnswer)
    for (const oldest of this.#answers.keys()) {
      if (this.#answers.size <= MAX_ANSWERS) break
      this.#answers.delete(oldest)
    }
    return this.#lastAnswer
  }

  /** The answer with a job was received: from now on asking again is `resumed`. */
  async delivered(session: Session, jobId: string): Promise<void> {
    const claim = this.#ports.book.get(jobId)
    if (claim?.state !== 'held' || claim.delivered || claim.owner?.key !== session.ref.key) return
    await this.#ports.book.change(claim, { delivered: true })
  }

  /**
   * The answer with a job did not reach its session (contract 4, Undelivered). `unsure`: it may have; then
   * whoever gets the job next is told to look at the worktree first, and the session may still report.
   */
  async undelivered(
    session: Session,
    jobId: string,
    how: 'not received' | 'unsure',
    answer: number,
  ): Promise<void> {
    const { book } = this.#ports
    // The same session was given the job by a newer answer: the loss of an older one takes nothing away.
    if (this.#answers.get(jobId) !== answer) return
    await book.exclusive(jobId, async () => {
      const claim = book.get(jobId)
      // Told before, or reported on already: this answer was a repetition and its loss changes nothing.
      if (claim?.state !== 'held' || claim.delivered) return
      if (claim.owner?.key !== session.ref.key) return
      await book.change(claim, { state: 'undelivered', worked: claim.worked || how === 'unsure' })
    })
    this.loop.nudge()
  }

  /** A person gives a claim of this machine back to the queue; its session learns of it. False: not held here. */
  async giveBack(jobId: string): Promise<boolean> {
    const { book } = this.#ports
    return book.exclusive(jobId, async () => {
      const claim = book.get(jobId)
      if (claim?.state !== 'held' && claim?.state !== 'undelivered') return false
      const releasedAt = await releaseClaim(this.#ports, claim)
      if (releasedAt === null) return false
      if (claim.owner !== null)
        this.#notice(
          claim.owner.key,
          `Job ${jobId} was given back to the queue by a person. Stop working on it.`,
        )
      // Handed out: whether or not the answer is known to be received, the worktree may have been worked in.
      const worked = claim.worked || claim.state === 'held'
      await book.change(claim, { state: 'released', releasedAt, worked })
      this.#ports.worktreesChanged()
      return true
    })
  }
}
