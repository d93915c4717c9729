import type { Queryable } from '../../support/seed.ts'

/**
 * Triggers of the test's own on `claude_jobs`. Every claim gets a number, written over the plan snapshot:
 * the claim statement returns it and `wait_for_job` shows it, so that the client's side of the history
 * names the very claim it was given. Every change of status or claim is noted, in the order of commits
 * to that row.
 */
const INSTALL = `
create schema chaos;
create sequence chaos.claims;
create table chaos.audit (
  seq bigserial primary key,
  at double precision not null default extract(epoch from clock_timestamp()) * 1000,
  job_id text not null, old_status text, new_status text not null,
  old_claim text, new_claim text, old_instance text, new_instance text,
  rescued boolean not null, lease_left_ms double precision, summary text, error text
);
create function chaos.number_claim() returns trigger language plpgsql as $$
begin
  if old.status = 'QUEUED' and new.status = 'CLAIMED' then
    new.plan_snapshot := 'claim-' || nextval('chaos.claims');
  end if;
  return new;
end $$;
create function chaos.note() returns trigger language plpgsql as $$
begin
  insert into chaos.audit (job_id, old_status, new_status, old_claim, new_claim, old_instance, new_instance,
                           rescued, lease_left_ms, summary, error)
  values (new.id, old.status, new.status, old.plan_snapshot, new.plan_snapshot,
          old.worker_instance_id, new.worker_instance_id,
          coalesce(new.retry_count > old.retry_count, false) or coalesce(new.error like 'The lease expired%', false),
          extract(epoch from old.lease_until - (clock_timestamp() at time zone 'utc')) * 1000,
          new.summary, new.error);
  return null;
end $$;
create trigger number_claim before update on claude_jobs for each row execute function chaos.number_claim();
create trigger note_insert after insert on claude_jobs for each row execute function chaos.note();
create trigger note_update after update on claude_jobs for each row
  when (old.status is distinct from new.status or old.claimed_at is distinct from new.claimed_at
        or old.worker_instance_id is distinct from new.worker_instance_id
        or old.finished_at is distinct from new.finished_at)
  execute function chaos.note();
`

export interface AuditRow {
  readonly seq: number
  readonly at: number
  readonly job: string
  readonly from: string | null
  readonly to: string
  readonly oldClaim: string | null
  readonly newClaim: string | null
  readonly oldInstance: string | null
  readonly newInstance: string | null
  /** Taken back because its lease had expired. */
  readonly rescued: boolean
  /** How long the lease before the change still ran; negative: expired. */
  readonly leaseLeftMs: number | null
  readonly summary: string | null
}

export async function installAudit(db: Queryable): Promise<void> {
  await db.query(INSTALL)
}

export async function readAudit(db: {
  query(sql: string): Promise<{ rows: Record<string, unknown>[] }>
}): Promise<AuditRow[]> {
  const { rows } = await db.query('select * from chaos.audit order by seq')
  const text = (value: unknown) => (typeof value === 'string' ? value : null)
  return rows.map((row) => ({
    seq: Number(row.seq),
    at: Number(row.at),
    job: String(row.job_id),
    from: text(row.old_status),
    to: String(row.new_status),
    oldClaim: text(row.old_claim),
    newClaim: text(row.new_claim),
    oldInstance: text(row.old_instance),
    newInstance: text(row.new_instance),
    rescued: row.rescued === true,
    leaseLeftMs: typeof row.lease_left_ms === 'number' ? row.lease_left_ms : null,
    summary: text(row.summary),
  }))
}
