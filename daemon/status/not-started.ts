import type { Sql } from '../db/sql.ts'
import type { FailedJob, JobBackoff } from '../dispatch/job-backoff.ts'
import { readJobs } from '../jobs/read.ts'
import { patiently } from './patiently.ts'

/**
 * Jobs that could not be started here and that nobody has begun or ended since. The database is asked only where there
 * is one, on request, and never waited for long: while it does not answer, what failed here is what is known.
 */
export class NotStarted {
  readonly #sql: Sql
  readonly #backoff: JobBackoff
  readonly #instanceId: string
  #over: ReadonlySet<string> = new Set()
  #running: Promise<void> | null = null

  constructor(sql: Sql, backoff: JobBackoff, instanceId: string) {
    this.#sql = sql
    this.#backoff = backoff
    this.#instanceId = instanceId
  }

  async read(userId: string | null): Promise<readonly FailedJob[]> {
    const failed = this.#backoff.failures()
    if (failed.length === 0) return failed
    if (userId !== null) {
      const jobIds = failed.map(({ jobId }) => jobId)
      this.#running ??= this.#ask(userId, jobIds).finally(() => {
        this.#running = null
      })
      await patiently(this.#running)
    }
    return failed.filter(({ jobId }) => !this.#over.has(jobId))
  }

  async #ask(userId: string, jobIds: readonly string[]): Promise<void> {
    const rows = await readJobs(this.#sql, userId, jobIds).catch(() => null)
    if (rows === null) return
    // In the queue, or held back here because a session had worked on it before.
    const isOpen = ({ status, workerInstanceId }: (typeof rows)[number]) =>
      status === 'QUEUED' || (status === 'CLAIMED' && workerInstanceId === this.#instanceId)
    const open = new Set(rows.filter(isOpen).map(({ id }) => id))
    this.#over = new Set(jobIds.filter((id) => !open.has(id)))
  }
}
