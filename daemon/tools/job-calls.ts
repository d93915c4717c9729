import type { StatusReport } from '../wire/status-report.ts'

/** What the job tools ask of the dispatch, bound to the session and the call. */
export interface JobCalls {
  /** Resolves with the answer of `wait_for_job`; throws the contract's errors. */
  wait(request: { productId: string | null; waitSeconds: number | null }): Promise<Record<string, unknown>>
  report(input: {
    jobId: string
    status: 'running' | 'done' | 'failed' | 'skipped'
    branch: string | null
    summary: string | null
    error: string | null
  }): Promise<Record<string, unknown>>
  /** Adopts an orphan it names; answers the lease's end, UTC. */
  heartbeat(jobId: string): Promise<{ jobId: string; leaseUntil: string | null }>
  cleanUp(): Promise<Record<'removed' | 'kept' | 'skipped', CleanedWorktree[]>>
  status(): Promise<StatusReport & { readonly missing_tools: readonly OmittedTool[] }>
}

export interface CleanedWorktree {
  readonly job_id: string | null
  readonly path: string
  readonly reason: string
  readonly bytes: number | null
  readonly salvage_ref: string | null
}

export interface OmittedTool {
  readonly name: string
  /** Tables that the database lacks. */
  readonly missing_tables: readonly string[]
}
