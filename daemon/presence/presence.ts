import type { Sql } from '../db/sql.ts'
import { codeOf, messageOf } from '../errors.ts'
import type { Service } from '../lifecycle/service.ts'
import type { Logger } from '../logger.ts'
import { type BeatAnswer, beat, type HeldClaim } from './beat.ts'
import { registerWorker, unregisterWorker, type WorkerIdentity } from './worker-row.ts'

export interface PresenceOptions {
  readonly sql: Sql
  /** As whom to be present; null: not allowed now, or nobody wants it. */
  worker(): WorkerIdentity | null
  readonly machine: { readonly hostname: string; readonly pid: number }
  readonly heartbeatMs: number
  readonly leaseSeconds: number
  /** Claims whose lease the beat renews, and what it then finds out about them. */
  begin(): { held: readonly HeldClaim[]; apply(answer: BeatAnswer): Promise<void> }
  /** The statement did not reach the database. */
  lost(error: unknown): void
  /** A beat was written. */
  proven(): void
  refused(reason: string): void
  readonly logger: Logger
}

/** Contract 3: unregistering and its notification are done within a second. */
const UNREGISTER_MS = 900

/**
 * This machine's presence.
 *   absent ── allowed: row written, `worker_connected` ──▶ present ── stop, or not allowed: row deleted ──▶ absent
 * Beats follow each other at a fixed pace and wait for nothing else; one that is late is skipped, not queued.
 */
export class Presence implements Service {
  readonly name = 'presence'
  readonly #options: PresenceOptions
  #registered: WorkerIdentity | null = null
  #timer: NodeJS.Timeout | undefined
  #beating: Promise<void> | null = null
  #again = false
  #stopped = false
  #lastBeatAt: number | null = null
  #lastBeatMono: number | null = null
  #longestGapMs = 0
  #next: (() => Promise<void>) | null = null
  #isApplying = false

  constructor(options: PresenceOptions) {
    this.#options = options
  }

  async start(): Promise<void> {
    this.#schedule()
  }

  /** Takes the machine off within a second, whether or not the database answers. */
  async stop(): Promise<void> {
    this.#stopped = true
    clearTimeout(this.#timer)
    const worker = this.#registered
    if (worker === null) return
    this.#registered = null
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, UNREGISTER_MS)
    })
    const off = unregisterWorker(this.#options.sql, worker).catch((error: unknown) => {
      this.#options.logger.warn(
        { err: messageOf(error) },
        'the worker row could not be deleted; it fades in 15 s',
      )
    })
    await Promise.race([off, late])
    clearTimeout(timer)
  }

  /** Beats now, or once more after the beat that runs. */
  beatNow(): void {
    if (this.#stopped) return
    if (this.#beating !== null) {
      this.#again = true
      return
    }
    this.#beating = this.#beat().finally(() => {
      this.#beating = null
      if (!this.#again) return
      this.#again = false
      this.beatNow()
    })
  }

  get isPresent(): boolean {
    return this.#registered !== null
  }

  /** ms since epoch of the last beat that the database took. */
  get lastBeatAt(): number | null {
    return this.#lastBeatAt
  }

  /** ms; the one that lasts now is one of them. */
  get longestGapMs(): number {
    if (this.#lastBeatMono === null || this.#registered === null) return this.#longestGapMs
    return Math.max(this.#longestGapMs, performance.now() - this.#lastBeatMono)
  }

  #schedule(): void {
    if (this.#stopped) return
    this.#timer = setTimeout(() => {
      this.#schedule()
      if (this.#beating === null) this.beatNow()
    }, this.#options.heartbeatMs)
  }

  async #beat(): Promise<void> {
    const { sql, logger } = this.#options
    const worker = this.#options.worker()
    if (worker === null) return this.#withdraw()
    try {
      const round = this.#options.begin()
      const answer = await beat(sql, {
        ...worker,
        leaseSeconds: this.#options.leaseSeconds,
        held: round.held,
      })
      if (this.#stopped) return
      if (!answer.tokenValid) {
        await this.#withdraw()
        this.#options.refused('revoked, expired or deleted')
        return
      }
      // After the statement that renews leases: who cannot hold a job is not announced, over and over.
      const isNew = !isSame(this.#registered, worker)
      if (isNew || !answer.present) {
        if (!isNew) logger.warn({}, 'the worker row was gone; registering again')
        await this.#register(worker)
      }
      this.#options.proven()
      // A row that somebody has locked is not renewed: to readers this was no beat.
      if (answer.renewed || isNew || !answer.present) this.#note()
      this.#apply(() => round.apply(answer))
    } catch (error) {
      // Locked or slow for two seconds is not away: the next beat tries again.
      if (codeOf(error) === '57014') logger.warn({}, 'a heartbeat was slower than its deadline')
      else this.#options.lost(error)
    }
  }

  /**
   * What a beat brought to light is worked off beside the beats, which wait for nothing; of what piles up
   * only the newest counts.
   */
  #apply(step: () => Promise<void>): void {
    this.#next = step
    if (this.#isApplying) return
    this.#isApplying = true
    void this.#applyAll().finally(() => {
      this.#isApplying = false
    })
  }

  async #applyAll(): Promise<void> {
    for (let step = this.#next; step !== null; step = this.#next) {
      this.#next = null
      await step().catch((error: unknown) => {
        this.#options.logger.warn({ err: messageOf(error) }, 'what a heartbeat found could not be dealt with')
      })
    }
  }

  async #register(worker: WorkerIdentity): Promise<void> {
    await registerWorker(this.#options.sql, worker, this.#options.machine)
    if (this.#stopped) return unregisterWorker(this.#options.sql, worker)
    this.#registered = worker
    this.#options.logger.info({ instance: worker.instanceId }, 'present')
  }

  async #withdraw(): Promise<void> {
    const worker = this.#registered
    this.#registered = null
    this.#lastBeatMono = null
    if (worker === null) return
    await unregisterWorker(this.#options.sql, worker).catch(() => undefined)
    this.#options.logger.info({}, 'no longer present')
  }

  #note(): void {
    const now = performance.now()
    if (this.#lastBeatMono !== null)
      this.#longestGapMs = Math.max(this.#longestGapMs, now - this.#lastBeatMono)
    this.#lastBeatMono = now
    this.#lastBeatAt = Date.now()
  }
}

function isSame(a: WorkerIdentity | null, b: WorkerIdentity): boolean {
  return a !== null && a.userId === b.userId && a.tokenId === b.tokenId && a.instanceId === b.instanceId
}
