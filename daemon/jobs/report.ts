import { NOW, type Sql } from '../db/sql.ts'
import { type ClaimIdentity, IS_OURS, identityValues } from './claim-identity.ts'
import { NOTIFY_STATUS } from './notifications.ts'

/** How a job ends by a report. */
export const FINAL = ['DONE', 'FAILED', 'SKIPPED'] as const

export function isFinal(status: string): status is (typeof FINAL)[number] {
  return (FINAL as readonly string[]).includes(status)
}

export interface Report {
  readonly status: 'RUNNING' | (typeof FINAL)[number]
  readonly branch: string | null
  readonly summary: string | null
  readonly error: string | null
  readonly headSha: string | null
  /** The branch on origin holds the worktree's HEAD. */
  readonly pushed: boolean
}

export interface ReportedRow {
  readonly status: string
  readonly branch: string | null
  readonly pushedAt: string | null
  readonly summary: string | null
  readonly error: string | null
  readonly startedAt: string | null
  readonly finishedAt: string | null
}

interface Row {
  status: string
  branch: string | null
  pushed_at: Date | null
  summary: string | null
  error: string | null
  started_at: Date | null
  finished_at: Date | null
}

// A final report without a branch clears the column: that branch is deleted (contract 4, Reports).
const SET_AND_ANSWER = `
     set status = $5::"ClaudeJobStatus", branch = case when $5 = 'RUNNING' then coalesce($6, j.branch) else $6 end, summary = coalesce($7, j.summary),
         error = coalesce($8, j.error), head_sha = coalesce($9, j.head_sha),
         pushed_at = case when $10::boolean then coalesce(j.pushed_at, ${NOW}) else j.pushed_at end,
         started_at = case when $5 = 'RUNNING' then coalesce(j.started_at, ${NOW}) else j.started_at end,
         finished_at = case when $5 = 'RUNNING' then null else ${NOW} end,
         lease_until = case when $5 = 'RUNNING' then j.lease_until else null end,
         updated_at = ${NOW}`

const ANSWER = `select c.status::text, c.branch, c.pushed_at, c.summary, c.error, c.started_at, c.finished_at,
       ${NOTIFY_STATUS} as notified from c`

/** Writes a report of the claim's owner; null: the claim is lost and nothing was changed. */
export async function writeReport(
  sql: Sql,
  identity: ClaimIdentity,
  report: Report,
): Promise<ReportedRow | null> {
  const { rows } = await sql.query<Row>({
    name: 'report',
    text: `with c as (update claude_jobs j ${SET_AND_ANSWER} where ${IS_OURS} returning j.*) ${ANSWER}`,
    values: [...identityValues(identity), ...reportValues(report)],
  })
  return rows[0] === undefined ? null : toReported(rows[0])
}

/**
 * A final report for a job that was released after its session's grace: it counts while nobody has
 * touched the job since (`updated_at` is still the release's), contract 4 "Orphaned".
 */
export async function writeLateReport(
  sql: Sql,
  identity: ClaimIdentity,
  releasedAt: string,
  report: Report,
): Promise<ReportedRow | null> {
  const { rows } = await sql.query<Row>({
    name: 'late-report',
    text: `with c as (update claude_jobs j ${SET_AND_ANSWER},
           claimed_by_token_id = $2, worker_instance_id = $3, claimed_at = $4::timestamp(3)
         where j.id = $1 and j.status = 'QUEUED' and j.updated_at = $11::timestamp(3) returning j.*) ${ANSWER}`,
    values: [...identityValues(identity), ...reportValues(report), releasedAt],
  })
  return rows[0] === undefined ? null : toReported(rows[0])
}

/** The row of a claim that ended as `status` says; null: it did not. */
export async function readReported(
  sql: Sql,
  identity: ClaimIdentity,
  status: Report['status'],
): Promise<ReportedRow | null> {
  const { rows } = await sql.query<Row>({
    text: `select status::text, branch, pushed_at, summary, error, started_at, finished_at from claude_jobs
            where id = $1 and claimed_by_token_id = $2 and worker_instance_id = $3
              and claimed_at = $4::timestamp(3) and status::text = $5`,
    values: [...identityValues(identity), status],
  })
  return rows[0] === undefined ? null : toReported(rows[0])
}

function reportValues(report: Report): unknown[] {
  return [report.status, report.branch, report.summary, report.error, report.headSha, report.pushed]
}

function toReported(row: Row): ReportedRow {
  return {
    status: row.status,
    branch: row.branch,
    pushedAt: row.pushed_at?.toISOString() ?? null,
    summary: row.summary,
    error: row.error,
    startedAt: row.started_at?.toISOString() ?? null,
    finishedAt: row.finished_at?.toISOString() ?? null,
  }
}
