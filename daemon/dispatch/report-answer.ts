import type { ClaimRecord } from '../jobs/claim-record.ts'
import type { Report, ReportedRow } from '../jobs/report.ts'

export interface ReportInput {
  readonly jobId: string
  readonly status: 'running' | 'done' | 'failed' | 'skipped'
  readonly branch: string | null
  readonly summary: string | null
  readonly error: string | null
}

/** The output of `update_job_status` (contract 6). */
export interface ReportAnswer extends Record<string, unknown> {
  readonly job_id: string
  readonly status: string
  readonly delivered: boolean
  readonly branch: string | null
  readonly pushed_at: string | null
  readonly summary: string | null
  readonly error: string | null
  readonly started_at: string | null
  readonly finished_at: string | null
  readonly worktree: 'removed' | 'deferred' | 'kept' | 'none'
  readonly salvage_ref: string | null
  readonly ignored: { files: number; bytes: number } | null
  readonly next_action: 'idle' | 'wait_for_job_again' | 'queue_empty'
}

export const STATUS = { running: 'RUNNING', done: 'DONE', failed: 'FAILED', skipped: 'SKIPPED' } as const

/** What became of the worktree. */
export interface Removal {
  readonly worktree: ReportAnswer['worktree']
  readonly salvage_ref?: string | null
  readonly ignored?: { files: number; bytes: number } | null
}

export function toReport(input: ReportInput, headSha: string | null, pushed: boolean): Report {
  return {
    status: STATUS[input.status],
    branch: input.branch,
    summary: input.summary,
    error: input.error,
    headSha,
    pushed,
  }
}

/** The report as it will stand, where the database has not said so itself. */
export function spooledRow(report: Report): ReportedRow {
  return {
    status: report.status,
    branch: report.branch,
    pushedAt: null,
    summary: report.summary,
    error: report.error,
    startedAt: null,
    finishedAt: null,
  }
}

/** The answer to a report; `delivered: false` while it waits on disk. */
export function answer(
  claim: ClaimRecord,
  row: ReportedRow,
  removal: Removal,
  next: ReportAnswer['next_action'],
  delivered = true,
): ReportAnswer {
  return {
    job_id: claim.identity.jobId,
    status: row.status.toLowerCase(),
    delivered,
    branch: row.branch,
    pushed_at: row.pushedAt,
    summary: row.summary,
    error: row.error,
    started_at: row.startedAt,
    finished_at: row.finishedAt,
    worktree: removal.worktree,
    salvage_ref: removal.salvage_ref ?? null,
    ignored: removal.ignored ?? null,
    next_action: next,
  }
}
