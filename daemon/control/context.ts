import type { Backlog } from '../backlog/backlog.ts'
import type { Config } from '../config/config.ts'
import type { RepoRoots } from '../config/repo-roots.ts'
import type { SettingValue } from '../config/settings-reader.ts'
import type { Sql } from '../db/sql.ts'
import type { Logger } from '../logger.ts'

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
}

export interface ControlDatabase {
  readonly kind: 'embedded' | 'external'
  /** The URL in use, password included: the embedded server's once it runs. */
  url(): string | undefined
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
