import pg from 'pg'
import { sharedNow } from './clock.ts'

const CLAIMED_MS = 20_000

/**
 * Tells when a job was claimed, as the whole world learns it: by the notification that the claim's own
 * statement sends. That is a little later than the daemon knows it, which is to our disadvantage.
 */
export class ClaimWatch {
  readonly #client: pg.Client
  readonly #claimed = new Map<string, number>()
  readonly #waiting = new Map<string, (at: number) => void>()

  private constructor(client: pg.Client) {
    this.#client = client
  }

  static async start(url: string): Promise<ClaimWatch> {
    const client = new pg.Client({ connectionString: url, application_name: 'bench' })
    const made = new ClaimWatch(client)
    client.on('notification', ({ payload }) => made.#hear(payload ?? ''))
    await client.connect()
    await client.query('listen scrum4me_changes')
    return made
  }

  /** Connection for the statements whose time is taken. */
  get client(): pg.Client {
    return this.#client
  }

  /** Resolves with the moment, on the shared clock, at which this job's claim was heard of. */
  claimed(jobId: string): Promise<number> {
    const at = this.#claimed.get(jobId)
    if (at !== undefined) return Promise.resolve(at)
    return new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => reject(new Error(`job ${jobId} was not claimed in ${CLAIMED_MS} ms`)),
        CLAIMED_MS,
      )
      this.#waiting.set(jobId, (heard) => {
        clearTimeout(timer)
        resolve(heard)
      })
    })
  }

  stop(): Promise<void> {
    return this.#client.end()
  }

  #hear(payload: string): void {
    if (!payload.includes('"CLAIMED"')) return
    const at = sharedNow()
    const change: unknown = JSON.parse(payload)
    if (typeof change !== 'object' || change === null || !('job_id' in change)) return
    const jobId = String(change.job_id)
    this.#claimed.set(jobId, at)
    this.#waiting.get(jobId)?.(at)
    this.#waiting.delete(jobId)
  }
}
