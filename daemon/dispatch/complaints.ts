import type { RootsOf } from '../config/repo-roots.ts'
import { DaemonError } from '../errors.ts'
import { type QueuedProduct, queuedProducts } from '../jobs/read.ts'
import { isDiskLow } from './disk-low.ts'
import { OncePerMinute } from './once-per-minute.ts'
import type { DispatchPorts } from './ports.ts'
import type { Waiter } from './waiter.ts'

/**
 * Says why nothing comes where a job waits that cannot be taken here (contract 4, Which): to the longest waiter that
 * it would fit, at most once per session, job and minute.
 */
export class Complaints {
  readonly #ports: DispatchPorts
  readonly #made = new OncePerMinute()

  constructor(ports: DispatchPorts) {
    this.#ports = ports
  }

  /**
   * @param waiters all of them, longest first
   * @param unclaimable ids of jobs that are left alone for another reason
   * @returns a job that a waiter could have been given, for whatever the database did not hand it over; else null
   */
  async make(
    waiters: readonly Waiter[],
    userId: string,
    unclaimable: string[],
    rootsOf: RootsOf,
  ): Promise<{ readonly waiter: Waiter; readonly jobId: string } | null> {
    const waiting = waiters.filter((waiter) => !waiter.settled && !waiter.assigned)
    if (waiting.length === 0) return null
    const candidates = await queuedProducts(this.#ports.sql, userId, unclaimable, this.#ports.markers())
    if (candidates.length === 0) return null
    const diskLow = await isDiskLow(this.#ports)
    for (const waiter of waiting) {
      const roots = rootsOf(waiter.session.hello?.repoRoots)
      const fitting = candidates.filter((c) => waiter.productId === null || waiter.productId === c.productId)
      const here = fitting.find((candidate) => roots.has(candidate.productId))
      if (here !== undefined) {
        if (!diskLow) return { waiter, jobId: here.oldestJobId }
        this.#fail(waiter, 'disk', () => this.#diskLow(here))
        return null
      }
      if (waiter.settled) continue
      // The oldest that it does not know of yet: a product it was told of must not hide another for ever.
      const tell = (one: QueuedProduct) => this.#fail(waiter, one.oldestJobId, () => rootMissing(one))
      if (fitting.some(tell)) return null
    }
    return null
  }

  #fail(waiter: Waiter, about: string, error: () => DaemonError): boolean {
    return this.#made.may(waiter.session.ref.key, about) && waiter.fail(error())
  }

  #diskLow({ oldestJobId }: QueuedProduct): DaemonError {
    return new DaemonError(
      'DISK_LOW',
      `The disk of the worktrees has less free space than SCRUM4ME_MIN_FREE_DISK_BYTES (${this.#ports.settings.minFreeDiskBytes}), so no job is claimed; job ${oldestJobId} stays queued`,
      'Free some space (`scrum4me-daemon worktrees` lists what can go) or lower the floor, then call wait_for_job again.',
    )
  }
}

function rootMissing({ productId, productName, oldestJobId }: QueuedProduct): DaemonError {
  return new DaemonError(
    'REPO_ROOT_MISSING',
    `Job ${oldestJobId} waits for product "${productName}" (${productId}), and no local clone of it is configured on this machine; the job stays queued`,
    `Run \`scrum4me-daemon init <path of the clone>\`, or set SCRUM4ME_REPO_ROOT_${productId}, or add it to repoRoots in the agent config file; then call wait_for_job again.`,
  )
}
