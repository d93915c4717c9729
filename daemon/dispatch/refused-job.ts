import { DaemonError, messageOf } from '../errors.ts'
import type { ClaimRequest } from '../jobs/claim.ts'
import { queuedProducts } from '../jobs/read.ts'
import type { JobBackoff } from './job-backoff.ts'
import type { DispatchPorts } from './ports.ts'

/** So many at rest, and it is no longer about the one or other job. */
const MOST_AT_REST = 10

/**
 * The database refused a claim for what is in the job, which is the oldest that fits: it rests as one that could not
 * be started, so that the next has its turn. False: it is not about that job.
 */
export async function restRefusedJob(
  { sql, logger }: Pick<DispatchPorts, 'sql' | 'logger'>,
  backoff: JobBackoff,
  { userId, products, exclude, markers }: ClaimRequest,
  error: unknown,
): Promise<boolean> {
  if (backoff.resting().length >= MOST_AT_REST) return false
  const queued = await queuedProducts(sql, userId, exclude, markers)
  const refused = queued.find(({ productId }) => products.includes(productId))
  if (refused === undefined) return false
  const { oldestJobId: job, productName } = refused
  const err = messageOf(error)
  const remedy = 'Look at that job, and at the triggers and constraints of claude_jobs.'
  backoff.failed(job, productName, new DaemonError('DATABASE_UNAVAILABLE', err, remedy, error))
  logger.warn({ job, err }, 'the database lets a job not be claimed; it rests')
  return true
}
