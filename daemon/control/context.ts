import type { Backlog } from '../backlog/backlog.ts'
import type { Config } from '../config/config.ts'
import type { RepoRoots } from '../config/repo-roots.ts'
import type { SettingValue } from '../config/settings-reader.ts'
import type { Sql } from '../db/sql.ts'
import type { Logger } from '../logger.ts'
import type { StatusReport } from '../wire/status-report.ts'
import type { Git } from '../worktrees/git/git.ts'
import type { Worktrees } from '../worktrees/worktrees.ts'

/** What a control method may use of the running daemon. */
export interface ControlContext {
  readonly config: Config
  /** Effective settings, secrets masked. */
  readonly settings: readonly SettingValue[]
  readonly repoRoots: RepoRoots
  readonly logger: Logger
  /** Checks the token and gives access as its user; throws UNAUTHORIZED or DATABASE_UNAVAILABLE. */
  backlog(): Promise<Backlog>
  /** The pool; of use only after `backlog()` has said that the caller may use it. */
  readonly sql: Sql
  readonly database: ControlDatabase
  readonly jobs: HeldJobs
  readonly worktrees: Worktrees
  /** What `status` says of worktrees is looked up again. */
  worktreesChanged(): void
  readonly git: Git
  readonly daemon: DaemonControl
}

/** The daemon as a whole. */
export interface DaemonControl {
  status(): Promise<StatusReport>
  /** Begins the ordered end; returns at once. */
  stop(reason: 'stop' | 'restart'): void
  /** Remembered across restarts. */
  pause(paused: boolean): Promise<void>
}

export interface ControlDatabase {
  readonly kind: 'embedded' | 'external'
  /** `host:port/database` or the data directory, without user or password. */
  readonly where: string
  /** The URL in use, password included: the embedded server's once it runs. */
  url(): string | undefined
  /** A question to the server, round trip in ms; throws DATABASE_UNAVAILABLE. */
  ping(): Promise<number>
  /** Whether notifications arrive, as in the status report. */
  listen(): 'listening' | 'polling' | 'reconnecting' | 'off'
  /** Tables and columns we need and do not find, and the SQL that would add them. */
  missing(): Promise<{ readonly names: readonly string[]; readonly sql: string; readonly blocking: boolean }>
  /** Embedded only: applies what is not applied yet and answers the names. */
  migrate(): Promise<readonly string[]>
  /** Embedded only: all data into one new file, mode 0600; answers its bytes. */
  dump(file: string): Promise<number>
}

/** The claims of this machine. */
export interface HeldJobs {
  /** Ids of the jobs claimed by this daemon. */
  held(): readonly string[]
  /**
   * Gives a claim of this machine back to the queue and tells its session; saves nothing and removes
   * nothing, as at the end of a grace. False when the job is not held here.
   */
  release(jobId: string): Promise<boolean>
}
