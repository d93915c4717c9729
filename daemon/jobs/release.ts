import { NOW, type Sql } from '../db/sql.ts'
import { type ClaimIdentity, IS_OURS, identityValues } from './claim-identity.ts'
import { NOTIFY_ENQUEUED, NOTIFY_STATUS } from './notifications.ts'

/**
 * Puts a claim back to QUEUED with its claim columns cleared and wakes the user's daemons.
 * Answers the row's `updated_at`, by which a late report can tell that nobody touched the job since;
 * null: the claim was no longer ours and nothing was changed.
 */
export async function release(sql: Sql, identity: ClaimIdentity): Promise<string | null> {
  const { rows } = await sql.query<{ updated_at: string }>({
    name: 'release',
    text: `
with c as (
  update claude_jobs j
     set status = 'QUEUED', claimed_by_token_id = null, worker_instance_id = null, claimed_at = null,
         lease_until = null, started_at = null, plan_snapshot = null, branch = null, base_sha = null,
         updated_at = clock_timestamp() at time zone 'utc'
   where ${IS_OURS}
  returning j.*
)
select c.updated_at::text, ${NOTIFY_STATUS} as notified, ${NOTIFY_ENQUEUED} as nudged from c`,
    values: identityValues(identity),
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
