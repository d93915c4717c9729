import { NOW, type Sql } from '../db/sql.ts'
import type { ClaimIdentity } from './claim-identity.ts'
import { NOTIFY_STATUS } from './notifications.ts'

export interface ClaimRequest {
  readonly userId: string
  readonly tokenId: string
  readonly instanceId: string
  readonly leaseSeconds: number
  /** Products with a repo root for the waiter; only their jobs are taken. */
  readonly products: readonly string[]
  /** Jobs that failed here lately and wait out their backoff. */
  readonly exclude: readonly string[]
  /** Columns by which a shared database marks jobs for others, where it has them (contract 4). */
  readonly markers: readonly JobMarker[]
}

export type JobMarker = 'sprint_run_id' | 'runtime' | 'required_capability'

export interface ClaimedJob {
  readonly identity: ClaimIdentity
  readonly productId: string
  readonly taskId: string
  /** 1 for the first attempt; each rescue adds one. */
  readonly attempt: number
  readonly planSnapshot: string
  /** The contract's parts of a `wait_for_job` answer; null where the row is gone. */
  readonly task: Record<string, unknown> | null
  readonly story: Record<string, unknown> | null
  readonly pbi: Record<string, unknown> | null
  readonly sprint: Record<string, unknown> | null
  readonly product: Record<string, unknown>
}

interface Row {
  id: string
  claimed_at: string
  product_id: string
  task_id: string
  retry_count: number
  plan_snapshot: string
  task: Record<string, unknown> | null
  story: Record<string, unknown> | null
  pbi: Record<string, unknown> | null
  sprint: Record<string, unknown> | null
  product: Record<string, unknown>
}

/** Conditions on `claude_jobs j` for what is somebody else's to take. */
export const LEFT_ALONE: Record<JobMarker, string> = {
  sprint_run_id: 'and j.sprint_run_id is null',
  runtime: `and (j.runtime is null or j.runtime::text = 'CLAUDE')`,
  required_capability: 'and j.required_capability is null',
}

/**
 * Takes the user's oldest fitting job, or null, in one statement and one round trip: the row is
 * locked, marked as claimed with its lease, and read with everything the agent needs. `skip locked`
 * keeps daemons of one user from waiting for each other; the database's clock sets the lease. A job whose
 * product, task or story row level security hides is not taken; one whose task is really gone is, to be ended.
 */
export async function claimNext(sql: Sql, request: ClaimRequest): Promise<ClaimedJob | null> {
  if (request.products.length === 0) return null
  const { rows } = await sql.query<Row>({
    name: `claim-${request.markers.join('-')}`,
    text: statement(request.markers),
    values: [
      request.userId,
      request.tokenId,
      request.instanceId,
      request.leaseSeconds,
      request.products,
      request.exclude,
    ],
  })
  const row = rows[0]
  if (row === undefined) return null
  return {
    identity: {
      jobId: row.id,
      tokenId: request.tokenId,
      instanceId: request.instanceId,
      claimedAt: row.claimed_at,
    },
    productId: row.product_id,
    taskId: row.task_id,
    attempt: row.retry_count + 1,
    planSnapshot: row.plan_snapshot,
    task: row.task,
    story: row.story,
    pbi: row.pbi,
    sprint: row.sprint,
    product: row.product,
  }
}

function statement(markers: readonly JobMarker[]): string {
  return `
with picked as (
  select j.id from claude_jobs j
   where j.user_id = $1 and j.status = 'QUEUED' and j.kind::text = 'TASK_IMPLEMENTATION'
     and j.task_id is not null and j.product_id = any($5::text[]) and j.id <> all($6::text[])
     and exists (select 1 from products p where p.id = j.product_id)
     and (exists (select 1 from tasks t join stories s on s.id = t.story_id where t.id = j.task_id)
          or not (row_security_active('tasks') or row_security_active('stories')))
     ${markers.map((marker) => LEFT_ALONE[marker]).join(' ')}
   order by j.created_at, j.id
   limit 1
   for update of j skip locked
), c as (
  update claude_jobs j
     set status = 'CLAIMED', claimed_by_token_id = $2, worker_instance_id = $3,
         claimed_at = ${NOW}, lease_until = ${NOW} + make_interval(secs => $4),
         plan_snapshot = coalesce((select t.implementation_plan from tasks t where t.id = j.task_id), ''),
         branch = null, base_sha = null, head_sha = null, started_at = null, finished_at = null,
         pushed_at = null, summary = null, error = null, updated_at = ${NOW}
    from picked where j.id = picked.id
  returning j.*
)
select c.id, c.claimed_at::text, c.product_id, c.task_id, c.retry_count, c.plan_snapshot,
       ${NOTIFY_STATUS} as notified,
       case when t.id is null then null else json_build_object('id', t.id, 'code', t.code, 'title', t.title,
         'description', t.description, 'implementation_plan', t.implementation_plan, 'priority', t.priority) end as task,
       case when s.id is null then null else json_build_object('id', s.id, 'code', s.code, 'title', s.title,
         'description', s.description, 'acceptance_criteria', s.acceptance_criteria) end as story,
       case when b.id is null then null else json_build_object('id', b.id, 'code', b.code, 'title', b.title,
         'priority', b.priority, 'status', b.status) end as pbi,
       case when sp.id is null then null else json_build_object('id', sp.id, 'goal', sp.sprint_goal,
         'status', sp.status) end as sprint,
       json_build_object('id', p.id, 'name', p.name, 'repo_url', p.repo_url,
         'definition_of_done', p.definition_of_done) as product
  from c
  join products p on p.id = c.product_id
  left join tasks t on t.id = c.task_id
  left join stories s on s.id = t.story_id
  left join pbis b on b.id = s.pbi_id
  left join sprints sp on sp.id = coalesce(t.sprint_id, s.sprint_id)`
}
