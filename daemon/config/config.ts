import type { LogLevel } from '../logger.ts'
import type { Paths } from '../paths.ts'

/** Effective settings, validated once at start (`load-config.ts`); contract section 2 names each source. */
export interface Config {
  readonly paths: Paths
  /** Undefined: embedded PostgreSQL under the home. */
  readonly databaseUrl: string | undefined
  /** For LISTEN when `databaseUrl` is a transaction pooler. */
  readonly directDatabaseUrl: string | undefined
  /** Undefined: `state/token`, which the embedded database's first start creates. */
  readonly token: string | undefined
  readonly worktreeDir: string
  /** File with `{ "repoRoots": { "<productId>": "/abs/path" } }`, read again at every claim. */
  readonly agentConfigFile: string
  /** product id → absolute path, from SCRUM4ME_REPO_ROOT_* of the daemon's environment. */
  readonly repoRoots: Readonly<Record<string, string>>
  readonly logLevel: LogLevel
  readonly presence: 'daemon' | 'sessions'
  readonly sessionGraceSeconds: number
  readonly leaseSeconds: number
  readonly heartbeatSeconds: number
  readonly minFreeDiskBytes: number
  readonly salvageMaxBytes: number
  /** Keep a ready worktree per clone (`SCRUM4ME_SPARE_WORKTREES`, default on). */
  readonly spareWorktrees: boolean
}
