import { type DaemonState, NOTICES, type Problem, type StatusReport } from '../wire/status-report.ts'

/** What each part of the daemon says of itself, at one moment. */
export interface Snapshots {
  /** The first try to reach the database has not ended yet. */
  readonly starting: boolean
  readonly draining: boolean
  readonly problems: readonly Problem[]
  readonly daemon: NonNullable<StatusReport['daemon']>
  readonly presence: NonNullable<StatusReport['presence']>
  readonly database: NonNullable<StatusReport['database']>
  readonly sessions: StatusReport['sessions']
  readonly jobs: StatusReport['jobs']
  readonly worktrees: StatusReport['worktrees']
  readonly queue: StatusReport['queue']
}

/** The one report that `status`, `worker_status` and the supervisor's status line are made from. */
export function statusReport(snapshots: Snapshots): StatusReport {
  const { starting, draining, problems, ...parts } = snapshots
  const state: DaemonState = draining
    ? 'draining'
    : starting
      ? 'starting'
      : problems.some(({ code }) => !NOTICES.has(code))
        ? 'degraded'
        : 'healthy'
  return { state, problems, ...parts }
}
