import type { Sql } from '../db/sql.ts'
import { countJobs } from '../jobs/read.ts'
import type { StatusReport } from '../wire/status-report.ts'
import { patiently } from './patiently.ts'

/** The queue's depth and the database's latency, asked on request and never waited for long. */
export class QueueCount {
  readonly #sql: Sql
  readonly #cloned: () => Promise<readonly string[]>
  #last: StatusReport['queue'] = null
  #latencyMs: number | null = null
  #running: Promise<void> | null = null

  /** @param cloned ids of the products with a clone here, as the daemon or a session knows them */
  constructor(sql: Sql, cloned: () => Promise<readonly string[]>) {
    this.#sql = sql
    this.#cloned = cloned
  }

  /** ms of the last count that the database answered. */
  get latencyMs(): number | null {
    return this.#latencyMs
  }

  /** Null: not known now. */
  async read(userId: string | null): Promise<StatusReport['queue']> {
    if (userId === null) return null
    this.#running ??= this.#ask(userId).finally(() => {
      this.#running = null
    })
    await patiently(this.#running)
    return this.#last
  }

  async #ask(userId: string): Promise<void> {
    try {
      const cloned = await this.#cloned()
      const from = performance.now()
      this.#last = await countJobs(this.#sql, userId, cloned)
      this.#latencyMs = Math.round((performance.now() - from) * 10) / 10
    } catch {
      this.#last = null
      this.#latencyMs = null
    }
  }
}
