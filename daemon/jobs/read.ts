import type { Sql } from '../db/sql.ts'
import { type JobMarker, LEFT_ALONE } from './claim.ts'

export interface JobRow {
  readonly id: string
  readonly status: string
  readonly productId: string
  readonly workerInstanceId: string | null
  readonly finishedAt: string | null
}

/** One job of the user, or null: missing and another user's look the same. */
export async function readJob(sql: Sql, userId: string, jobId: string): Promise<JobRow | null> {
  // No text in PostgreSQL holds a NUL, so no job has such an id.
  if (jobId.includes('\0')) return null
  const rows = await readJobs(sql, userId, [jobId])
  return rows[0] ?? null
}

export async function readJobs(sql: Sql, userId: string, jobIds: readonly string[]): Promise<JobRow[]> {
  const { rows } = await sql.query<{
    id: string
    status: string
    product_id: string
    worker_instance_id: string | null
    finished_at: Date | null
  }>({
    name: 'read-jobs',
    text: `select id, status::text, product_id, worker_instance_id, finished_at from claude_jobs
            where user_id = $1 and id = any($2::text[])`,
    values: [userId, jobIds],
  })
  return rows.map((row) => ({
    id: row.id,
    status: row.status,
    productId: row.product_id,
    workerInstanceId: row.worker_instance_id,
    finishedAt: row.finished_at?.toISOString() ?? null,
  }))
}

/** Whether the product is the user's, or one that the user is a member of. */
export async function mayUseProduct(sql: Sql, userId: string, productId: string): Promise<boolean> {
  // No text in PostgreSQL holds a NUL.
  if (productId.includes('\0')) return false
  const { rows } = await sql.query({
    text: `select 1 from products p where p.id = $1 and (p.user_id = $2 or exists (
             select 1 from product_members m where m.product_id = p.id and m.user_id = $2))`,
    values: [productId, userId],
  })
  return rows.length > 0
}

export interface QueuedProduct {
  readonly productId: string
  readonly productName: string
  readonly oldestJobId: string
  readonly jobs: number
}

/** Claimable jobs of the user by product, the product of the oldest job first. */
export async function queuedProducts(
  sql: Sql,
  userId: string,
  exclude: readonly string[],
  markers: readonly JobMarker[] = [],
): Promise<QueuedProduct[]> {
  const { rows } = await sql.query<{ product_id: string; name: string; oldest: string; jobs: string }>({
    name: `queued-products-${markers.join('-')}`,
    text: `select j.product_id, p.name, (array_agg(j.id order by j.created_at, j.id))[1] as oldest, count(*) as jobs
             from claude_jobs j join products p on p.id = j.product_id
            where j.user_id = $1 and j.status = 'QUEUED' and j.kind::text = 'TASK_IMPLEMENTATION'
              and j.task_id is not null and j.id <> all($2::text[])
              ${markers.map((marker) => LEFT_ALONE[marker]).join(' ')}
            group by j.product_id, p.name order by min(j.created_at) limit 200`,
    values: [userId, exclude],
  })
  return rows.map((row) => ({
    productId: row.product_id,
    productName: row.name,
    oldestJobId: row.oldest,
    jobs: Number(row.jobs),
  }))
}

export interface JobCount {
  readonly queued: number
  /** Of those queued, the ones of products without a clone here. */
  readonly without_clone: number
  readonly claimed: number
  readonly running: number
}

/** The user's unfinished jobs by status; `cloned`: ids of the products with a clone here. */
export async function countJobs(sql: Sql, userId: string, cloned: readonly string[]): Promise<JobCount> {
  const { rows } = await sql.query<{ status: string; jobs: string; without_clone: string }>({
    name: 'count-jobs',
    text: `select status::text, count(*) as jobs, count(*) filter (where product_id <> all($2::text[])) as without_clone
             from claude_jobs
            where user_id = $1 and status in ('QUEUED', 'CLAIMED', 'RUNNING') group by status`,
    values: [userId, cloned],
  })
  const row = (status: string) => rows.find((one) => one.status === status)
  const count = (status: string) => Number(row(status)?.jobs ?? 0)
  return {
    queued: count('QUEUED'),
    without_clone: Number(row('QUEUED')?.without_clone ?? 0),
    claimed: count('CLAIMED'),
    running: count('RUNNING'),
  }
}
