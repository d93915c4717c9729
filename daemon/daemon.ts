import { randomUUID } from 'node:crypto'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { Backend } from './backend/backend.ts'
import { backendSteps } from './backend/steps.ts'
import { QuestionWatch } from './backlog/question-watch.ts'
import { settledQuestions } from './backlog/settled-questions.ts'
import type { LoadedConfig } from './config/load-config.ts'
import { RepoRoots } from './config/repo-roots.ts'
import { route } from './control/router.ts'
import { isConnectionFailure } from './db/database-error.ts'
import { describeDatabase, parseDatabaseUrl } from './db/database-url.ts'
import { EmbeddedPostgres } from './db/embedded/embedded-postgres.ts'
import { Listener } from './db/listener.ts'
import { Pools } from './db/pools.ts'
import { LazyPrisma } from './db/prisma.ts'
import type { SchemaFindings } from './db/schema-check.ts'
import { poolSql } from './db/sql.ts'
import { Demand } from './dispatch/demand.ts'
import { Dispatch } from './dispatch/dispatch.ts'
import type { DispatchPorts } from './dispatch/ports.ts'
import { Reconciler } from './dispatch/reconciler.ts'
import { DaemonError, messageOf } from './errors.ts'
import { Endpoint } from './ipc/endpoint.ts'
import { ensureHome } from './ipc/ensure-home.ts'
import { type InstanceLock, takeInstanceLock } from './ipc/instance-lock.ts'
import { ClaimBook } from './jobs/claim-book.ts'
import { parseClaimRecord } from './jobs/claim-record.ts'
import type { Logger } from './logger.ts'
import { CallMemory } from './mcp/call-memory.ts'
import { outcomeUnknown } from './mcp/job-calls.ts'
import { SessionHost } from './mcp/session-host.ts'
import { toolContext } from './mcp/tool-contexts.ts'
import { Presence } from './presence/presence.ts'
import type { Redactor } from './redact.ts'
import { SessionRegistry } from './sessions/registry.ts'
import { Flag } from './state/flag.ts'
import { readInstanceId } from './state/instance-id.ts'
import { RecordStore } from './state/record-store.ts'
import { collectStatus, type StatusSources } from './status/collect.ts'
import { QueueCount } from './status/queue-count.ts'
import { WorktreeGlance } from './status/worktree-glance.ts'
import { allTools } from './tools/all-tools.ts'
import { type Catalog, catalog } from './tools/catalog.ts'
import { VERSION } from './version.ts'
import { PROTOCOL } from './wire/protocol.ts'
import { Worktrees } from './worktrees/worktrees.ts'

/** Calls in flight get this long when the daemon ends (contract 3), ms. */
const DRAIN_MS = 10_000

export interface DaemonOptions extends LoadedConfig {
  readonly logger: Logger
  readonly redactor: Redactor
  readonly env: NodeJS.ProcessEnv
}

export interface RunningDaemon {
  /** Exit code, once nothing of it runs any more. */
  readonly finished: Promise<number>
  /** Begins the ordered stop; `restart` tells sessions that the next daemon comes. */
  stop(reason: string): void
}
