import type { Caller } from '../backend/caller.ts'
import type { RepoRoots } from '../config/repo-roots.ts'
import type { Sql } from '../db/sql.ts'
import type { JobMarker } from '../jobs/claim.ts'
import type { ClaimBook } from '../jobs/claim-book.ts'
import type { SupersededReports } from '../jobs/superseded-reports.ts'
import type { Logger } from '../logger.ts'
import type { SessionRegistry } from '../sessions/registry.ts'
import type { Git } from '../worktrees/git/git.ts'
import type { Worktrees } from '../worktrees/worktrees.ts'

/** What every part of the dispatch works with; built once in compose/features.ts. */
export interface DispatchPorts {
  /** The core connection: claims and leases; nothing that a session may ask for as often as it likes. */
  readonly sql: Sql
  /** For what a session's call asks, and for writes to a claimed job, whose row somebody may have locked. */
  readonly rowSql: Sql
  readonly authority: Authority
  readonly book: ClaimBook
  readonly superseded: SupersededReports
  readonly sessions: SessionRegistry
  readonly worktrees: Worktrees
  /** Git for reading, safely; `daemon/worktrees/git`. */
  readonly git: Git
  readonly roots: RepoRoots
  readonly instanceId: string
  readonly settings: {
    readonly leaseSeconds: number
    readonly graceSeconds: number
    readonly minFreeDiskBytes: number
  }
  /** Columns by which the database marks jobs for others. */
  markers(): readonly JobMarker[]
  /** A worktree was made or removed. */
  worktreesChanged(): void
  readonly logger: Logger
}

/** Whether we may act, and as whom. */
export interface Authority {
  /** The caller, as soon as the database answers and the token is valid; throws what stands in the way. */
  ready(timeoutMs: number): Promise<Caller>
  /** Null: not now. */
  current(): Caller | null
  /** A statement did not reach the database. */
  lost(error: unknown): void
}
