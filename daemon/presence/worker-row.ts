import { newId } from '../db/new-id.ts'
import { NOW, type Sql } from '../db/sql.ts'

export interface WorkerIdentity {
  readonly userId: string
  readonly tokenId: string
  readonly instanceId: string
}

/** Makes this machine present and tells the channel (contract 3). */
export async function registerWorker(
  sql: Sql,
  worker: WorkerIdentity,
  machine: { hostname: string; pid: number },
): Promise<void> {
  await sql.query({
    text: `
with w as (
  insert into claude_workers (id, user_id, token_id, product_id, instance_id, hostname, pid, started_at, last_seen_at)
  values ($4, $1, $2, null, $3, $5, $6, ${NOW}, ${NOW})
  on conflict (user_id, token_id, instance_id) do update
     set hostname = excluded.hostname, pid = excluded.pid, product_id = null,
         started_at = excluded.started_at, last_seen_at = excluded.last_seen_at
  returning user_id, token_id
)
select pg_notify('scrum4me_changes', json_build_object('type', 'worker_connected', 'user_id', user_id,
         'token_id', token_id, 'product_id', null)::text) from w`,
    values: [worker.userId, worker.tokenId, worker.instanceId, newId(), machine.hostname, machine.pid],
  })
}

/** Takes this machine off and tells the channel; nothing happens when the row is gone already. */
export async function unregisterWorker(sql: Sql, worker: WorkerIdentity): Promise<void> {
  await sql.query({
    text: `
with w as (
  delete from claude_workers where user_id = $1 and token_id = $2 and instance_id = $3 returning user_id, token_id
)
select pg_notify('scrum4me_changes', json_build_object('type', 'worker_disconnected', 'user_id', user_id,
         'token_id', token_id)::text) from w`,
    values: [worker.userId, worker.tokenId, worker.instanceId],
  })
}
