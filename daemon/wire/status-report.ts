/** `status --json`: top-level keys are the contract's. A leaf: every part of the daemon may import it. */
export type DaemonState = 'starting' | 'healthy' | 'degraded' | 'draining' | 'stopped' | 'not_answering'

export interface Problem {
  /** Stable, upper case. */
  readonly code: string
  readonly message: string
  readonly remedy: string
}

/** Codes of complaints that a healthy daemon may have (contract 1, Healthy): its jobs go on all the same. */
export const NOTICES: ReadonlySet<string> = new Set(['FETCH_FAILED'])

export interface StatusReport {
  readonly state: DaemonState
  readonly problems: readonly Problem[]
  readonly daemon: {
    readonly version: string
    readonly pid: number
    readonly started_at: string
    readonly uptime_seconds: number
    readonly supervisor: 'systemd' | 'launchd' | 'none'
    readonly home: string
    readonly socket: string
    readonly node: string
    readonly paused: boolean
  } | null
  readonly presence: {
    readonly state: 'present' | 'absent' | 'unauthorized' | 'idle'
    readonly instance_id: string
    readonly hostname: string
    readonly last_beat_at: string | null
    readonly last_beat_age_seconds: number | null
    /** Longest time between two beats since start, seconds. */
    readonly longest_gap_seconds: number | null
    readonly heartbeat_seconds: number
  } | null
  readonly database: {
    readonly kind: 'embedded' | 'external'
    /** `host:port/database` or the embedded data directory; never a password. */
    readonly where: string
    readonly state: 'up' | 'down' | 'starting'
    readonly latency_ms: number | null
    readonly listen: 'listening' | 'polling' | 'reconnecting' | 'off'
    readonly error: string | null
  } | null
  readonly sessions: readonly SessionStatus[]
  readonly jobs: readonly JobStatus[]
  readonly worktrees: {
    readonly directory: string
    readonly count: number
    readonly bytes: number | null
    readonly free_disk_bytes: number | null
    readonly saved: number
    readonly entries: readonly WorktreeStatus[]
  } | null
  readonly queue: {
    readonly queued: number
    /** Of those queued, the ones of products without a clone here. */
    readonly without_clone: number
    readonly claimed: number
    readonly running: number
  } | null
}

/** All but state and problems, of a daemon that cannot tell. */
export const NOTHING_KNOWN: Omit<StatusReport, 'state' | 'problems'> = {
  daemon: null,
  presence: null,
  database: null,
  sessions: [],
  jobs: [],
  worktrees: null,
  queue: null,
}

export interface SessionStatus {
  readonly session_id: string
  readonly client: string | null
  readonly pid: number
  readonly connected: boolean
  readonly connected_at: string
  readonly cwd: string
  readonly activity: 'idle' | 'waiting' | 'holding' | 'gone'
  readonly job_id: string | null
  readonly since: string
}

export interface JobStatus {
  readonly job_id: string
  readonly state: string
  readonly product_id: string
  readonly task: string | null
  readonly session_id: string | null
  readonly worktree_path: string | null
  readonly branch: string | null
  readonly claimed_at: string
  readonly lease_until: string | null
  /** A final report that waits for the database. */
  readonly report_spooled: boolean
}

/**
 * `creating`, `active` (handed out), `released` (its job is in the queue again), `deferred` (to be removed when the
 * last process has left it), `kept` (could not be saved, so not removed), `removing`, `restored` (by `worktrees
 * restore`, for a person), `unknown` (not made by this installation).
 */
export type WorktreeState =
  | 'creating'
  | 'active'
  | 'released'
  | 'deferred'
  | 'kept'
  | 'removing'
  | 'restored'
  | 'unknown'

export interface WorktreeStatus {
  readonly job_id: string
  readonly path: string
  readonly branch: string | null
  readonly state: WorktreeState
  readonly reason: string | null
  readonly bytes: number | null
}
