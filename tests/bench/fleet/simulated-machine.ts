import type { Sql } from '../../../daemon/db/sql.ts'
import { Nudges } from '../../../daemon/dispatch/nudges.ts'
import { type ClaimedJob, claimNext } from '../../../daemon/jobs/claim.ts'
import { queuedProducts } from '../../../daemon/jobs/read.ts'
import { type Report, writeReport } from '../../../daemon/jobs/report.ts'
import { beat } from '../../../daemon/presence/beat.ts'
import { registerWorker } from '../../../daemon/presence/worker-row.ts'
import { sharedNow } from '../world/clock.ts'

export interface Identity {
  readonly userId: string
  readonly tokenId: string
  readonly instanceId: string
}

export interface Tally {
  /** ms of every beat. */
  readonly beats: number[]
  /** Claim statements, with and without a job. */
  claims: number
  /** Jobs claimed, and when, on the shared clock. */
  readonly claimed: Map<string, number>
}

const LEASE_S = 300
const DONE: Report = {
  ...{ status: 'DONE', branch: null, summary: 'Done.', error: null, headSha: null, pushed: false },
}

/** What a daemon asks of its database, with the daemon's own statements: no sessions, no git, no process. */
export class SimulatedMachine {
  readonly identity: Identity
  readonly #sql: Sql
  readonly #tally: Tally
  readonly #productId: string
  readonly #held = new Map<string, ClaimedJob>()
  /** A session waits here. */
  waiting = true
  readonly nudges: Nudges
  #claiming: Promise<void> | null = null
  #again = false

  constructor(identity: Identity, productId: string, sql: Sql, tally: Tally) {
    this.identity = identity
    this.#productId = productId
    this.#sql = sql
    this.#tally = tally
    this.nudges = new Nudges({
      wanted: () => this.waiting,
      isOurs: async (jobId) => {
        await this.#claiming
        return this.#held.has(jobId)
      },
      nudge: () => this.nudge(),
    })
  }

  async register(): Promise<void> {
    await registerWorker(this.#sql, this.identity, { hostname: 'simulated', pid: 1 })
  }

  async beat(): Promise<void> {
    const held = [...this.#held.values()].map(({ identity: { jobId, tokenId, claimedAt } }) => ({
      jobId,
      tokenId,
      claimedAt,
    }))
    const from = sharedNow()
    const answer = await beat(this.#sql, { ...this.identity, leaseSeconds: LEASE_S, held })
    this.#tally.beats.push(sharedNow() - from)
    // The poll behind the notifications, as `Beats` does it.
    if (answer.queued) this.nudge()
  }

  /** One pass at a time, and one more for whatever came meanwhile, as the claim loop does it. */
  nudge(): void {
    if (!this.waiting) return
    this.#again = true
    this.#claiming ??= this.#claim().finally(() => {
      this.#claiming = null
    })
  }

  async settled(): Promise<void> {
    await this.#claiming
  }

  /** Reports every job held here as done. */
  async finish(): Promise<void> {
    for (const [jobId, { identity }] of this.#held) {
      await writeReport(this.#sql, identity, DONE)
      this.#held.delete(jobId)
    }
  }

  has(jobId: string): boolean {
    return this.#held.has(jobId)
  }

  async #claim(): Promise<void> {
    while (this.#again) {
      this.#again = false
      this.#tally.claims += 1
      const { userId } = this.identity
      const job = await claimNext(this.#sql, {
        ...this.identity,
        leaseSeconds: LEASE_S,
        products: [this.#productId],
        exclude: [],
        markers: [],
      })
      if (job === null) {
        // Whoever waits in vain is told when a job waits for another product.
        await queuedProducts(this.#sql, userId, [])
        continue
      }
      this.#tally.claimed.set(job.identity.jobId, sharedNow())
      this.#held.set(job.identity.jobId, job)
    }
  }
}
