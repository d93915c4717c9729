import { NOW, type Sql } from '../db/sql.ts'
import { type ClaimIdentity, IS_OURS, identityValues } from './claim-identity.ts'
import { NOTIFY_ENQUEUED, NOTIFY_STATUS } from './notifications.ts'

/** The database's time, as a release may write it. */
export async function releaseTime(sql: Sql): Promise<string> {
  const { rows } = await sql.query<{ at: string }>({
    name: 'release-time',
    text: `select (clock_timestamp() at time zone 'utc')::timestamp(3)::text as at`,
    values: [],
  })
  const [row] = rows
  if (row === undefined) throw new Error('the database told no time')
  return row.at
}

/** Whether the job waits in the queue as the release at that time left it: nobody has touched it since. */
export async function isReleasedAt(sql: Sql, jobId: string, at: string): Promise<boolean> {
  const { rows } = await sql.query({
    name: 'is-released',
    text: `select 1 from claude_jobs where id = $1 and status = 'QUEUED' and updated_at = $2::timestamp(3)`,
    values: [jobId, at],
  })
  return rows.length === 1
}

/**
 * Puts a claim back to QUEUED with its claim columns cleared and wakes the user's daemons.
 * Answers the row's `updated_at`, by which a late report can tell that nobody touched the job since;
 * null: the claim was no longer ours and nothing was changed.
 * @param at what `updated_at` becomes, for whoever must recognise a release whose answer was lost; default: now
 */
export async function release(
  sql: Sql,
  identity: ClaimIdentity,
  at: string | null = null,
): Promise<string | null> {
  const { rows } = await sql.query<{ updated_at: string }>({
    name: 'release',
    text: `
with c as (
  update claude_jobs j
     set status = 'QUEUED', claimed_by_token_id = null, worker_instance_id = null, claimed_at = null,
         lease_until = null, started_at = null, plan_snapshot = null, branch = null, base_sha = null,
         updated_at = coalesce($5::timestamp(3), clock_timestamp() at time zone 'utc')
   where ${IS_OURS}
  returning j.*
)
select c.updated_at::text, ${NOTIFY_STATUS} as notified, ${NOTIFY_ENQUEUED} as nudged from c`,
    values: [...identityValues(identity), at],
  })
  return rows[0]?.updated_at ?? null
}

/** Ends a claim that can never work (its task is gone) as FAILED; false: no longer ours. */
export async function fail(sql: Sql, identity: ClaimIdentity, reason: string): Promise<boolean> {
  const { rows } = await sql.query({
    name: 'fail',
    text: `
with c as (
  update claude_jobs j set status = 'FAILED', error = $5, finished_at = ${NOW}, lease_until = null,
         updated_at = ${NOW}
   where ${IS_OURS} returning j.*
) select ${NOTIFY_STATUS} as notified from c`,
    values: [...identityValues(identity), reason],
  })
  return rows.length === 1
}
