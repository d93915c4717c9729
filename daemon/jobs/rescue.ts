import { NOW, type Sql } from '../db/sql.ts'
import { NOTIFY_ENQUEUED, NOTIFY_STATUS } from './notifications.ts'

/** Rescues beyond this many make a job FAILED (contract 4). */
export const MAX_RETRIES = 2

export interface Rescued {
  readonly jobId: string
  readonly status: 'QUEUED' | 'FAILED'
  readonly retryCount: number
}

/**
 * Takes back the user's jobs whose lease has expired, whichever daemon held them, except those that
 * this daemon remembers as its own. Only rescue raises `retry_count`. Rows that somebody has locked
 * are being written right now and are left for the next round.
 */
export async function rescueExpired(
  sql: Sql,
  request: { userId: string; instanceId: string; own: readonly string[] },
): Promise<Rescued[]> {
  const { rows } = await sql.query<{ id: string; status: string; retry_count: number }>({
    name: 'rescue',
    text: `
with expired as (
  select j.id from claude_jobs j
   where j.user_id = $1 and j.status in ('CLAIMED', 'RUNNING') and j.lease_until < ${NOW}
     and j.worker_instance_id is not null
     and not (j.worker_instance_id = $2 and j.id = any($3::text[]))
   order by j.lease_until limit 50
   for update of j skip locked
), c as (
  update claude_jobs j
     set status = (case when j.retry_count < ${MAX_RETRIES} then 'QUEUED' else 'FAILED' end)::"ClaudeJobStatus",
         retry_count = case when j.retry_count < ${MAX_RETRIES} then j.retry_count + 1 else j.retry_count end,
         error = case when j.retry_count < ${MAX_RETRIES} then null
                      else 'The lease expired ' || (j.retry_count + 1) || ' times: every worker that took this job stopped renewing it.' end,
         finished_at = case when j.retry_count < ${MAX_RETRIES} then null else ${NOW} end,
         claimed_by_token_id = null, worker_instance_id = null, claimed_at = null, lease_until = null,
         started_at = null, plan_snapshot = null, branch = null, base_sha = null,
         updated_at = clock_timestamp() at time zone 'utc'
    from expired where j.id = expired.id
  returning j.*
)
select c.id, c.status::text, c.retry_count, ${NOTIFY_STATUS} as notified,
       case when c.status = 'QUEUED' then ${NOTIFY_ENQUEUED} end as nudged
  from c`,
    values: [request.userId, request.instanceId, request.own],
  })
  return rows.map((row) => ({
    jobId: row.id,
    status: row.status === 'FAILED' ? 'FAILED' : 'QUEUED',
    retryCount: row.retry_count,
  }))
}
