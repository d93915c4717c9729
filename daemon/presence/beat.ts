import { NOW, type Sql } from '../db/sql.ts'

export interface HeldClaim {
  readonly jobId: string
  readonly claimedAt: string
  /** The token it was claimed with, which may have been replaced since. */
  readonly tokenId: string
}

export interface BeatRequest {
  readonly userId: string
  readonly tokenId: string
  readonly instanceId: string
  readonly leaseSeconds: number
  readonly held: readonly HeldClaim[]
}

/** How the database sees a claim that we hold. */
export interface HeldState {
  readonly jobId: string
  /** Null: the row is gone. */
  readonly status: string | null
  /** The claim's identity still matches; its lease was renewed unless somebody had the row locked. */
  readonly ours: boolean
  /** It is under this machine's name; and not ours where it has ended, or was claimed here once more. */
  readonly here: boolean
  readonly leaseUntil: string | null
}

export interface BeatAnswer {
  /** False: somebody deleted our worker row. */
  readonly present: boolean
  /** False: it is gone, or somebody has it locked; readers see the last beat that renewed it. */
  readonly renewed: boolean
  readonly tokenValid: boolean
  readonly held: readonly HeldState[]
  /** Jobs claimed under our instance id that we did not name: what a crash left behind. */
  readonly strays: readonly HeldClaim[]
  /** The database's clock, ms since its epoch: leases are measured by it. */
  readonly clockMs: number
  /** Some job of the user is QUEUED: the poll behind the notifications. */
  readonly queued: boolean
}

/**
 * The heartbeat, one statement (contract 3): renews `last_seen_at` and every lease held here, skipping
 * rows that somebody has locked, and reads in the same breath what must be known every five seconds.
 */
export async function beat(sql: Sql, request: BeatRequest): Promise<BeatAnswer> {
  const { rows } = await sql.query<{
    present: boolean
    renewed: boolean
    token_valid: boolean
    held: {
      job_id: string
      status: string | null
      ours: boolean
      here: boolean
      lease_until: string | null
    }[]
    strays: { job_id: string; claimed_at: string; token_id: string }[]
    clock: number
    queued: boolean
  }>({
    name: 'beat',
    text: STATEMENT,
    values: [
      request.userId,
      request.tokenId,
      request.instanceId,
      request.leaseSeconds,
      request.held.map((claim) => claim.jobId),
      request.held.map((claim) => claim.claimedAt),
      request.held.map((claim) => claim.tokenId),
    ],
  })
  const row = rows[0]
  if (row === undefined) throw new Error('the heartbeat statement answered no row')
  return {
    present: row.present,
    renewed: row.renewed,
    tokenValid: row.token_valid,
    queued: row.queued,
    strays: row.strays.map((stray) => ({
      jobId: stray.job_id,
      claimedAt: stray.claimed_at,
      tokenId: stray.token_id,
    })),
    clockMs: row.clock,
    held: row.held.map((state) => ({
      jobId: state.job_id,
      status: state.status,
      ours: state.ours,
      here: state.here,
      leaseUntil: state.lease_until,
    })),
  }
}

const IS_OURS = `j.claimed_by_token_id = h.token_id and j.worker_instance_id = $3 and j.claimed_at = h.claimed_at
  and j.status in ('CLAIMED', 'RUNNING')`

const STATEMENT = `
with h as (
  select * from unnest($5::text[], $6::timestamp(3)[], $7::text[]) as h(id, claimed_at, token_id)
), seen as (
  update claude_workers w set last_seen_at = ${NOW}
   where w.id = (select id from claude_workers where user_id = $1 and token_id = $2 and instance_id = $3
                    for update skip locked)
  returning w.id
), free as (
  select j.id from claude_jobs j join h on h.id = j.id where ${IS_OURS} for update of j skip locked
), renewed as (
  update claude_jobs j set lease_until = ${NOW} + make_interval(secs => $4) from free where j.id = free.id
  returning j.id, j.lease_until
)
select (extract(epoch from now()) * 1000)::float8 as clock,
       exists (select 1 from claude_workers where user_id = $1 and token_id = $2 and instance_id = $3) as present,
       exists (select 1 from seen) as renewed,
       exists (select 1 from api_tokens where id = $2 and user_id = $1 and revoked_at is null
                 and (expires_at is null or expires_at > ${NOW})) as token_valid,
       exists (select 1 from claude_jobs where user_id = $1 and status = 'QUEUED') as queued,
       coalesce((select json_agg(json_build_object('job_id', h.id, 'status', j.status, 'ours', coalesce(${IS_OURS}, false),
                          'here', coalesce(j.worker_instance_id = $3, false),
                          'lease_until', coalesce(r.lease_until, j.lease_until)))
                   from h left join claude_jobs j on j.id = h.id left join renewed r on r.id = h.id), '[]') as held,
       coalesce((select json_agg(json_build_object('job_id', j.id, 'claimed_at', j.claimed_at::text,
                          'token_id', j.claimed_by_token_id))
                   from claude_jobs j
                  where j.worker_instance_id = $3 and j.user_id = $1 and j.claimed_by_token_id is not null
                    and j.status in ('CLAIMED', 'RUNNING')
                    and not exists (select 1 from h where h.id = j.id and h.claimed_at = j.claimed_at)), '[]') as strays`
