import { Backend } from '../backend/backend.ts'
import { backendSteps } from '../backend/steps.ts'
import type { DaemonOptions } from '../daemon.ts'
import { describeDatabase, parseDatabaseUrl } from '../db/database-url.ts'
import { EmbeddedPostgres } from '../db/embedded/embedded-postgres.ts'
import { Listener } from '../db/listener.ts'
import { Pools } from '../db/pools.ts'
import { LazyPrisma } from '../db/prisma.ts'
import type { SchemaFindings } from '../db/schema-check.ts'
import { coreSql, rowSql, type Sql } from '../db/sql.ts'
import type { JobMarker } from '../jobs/claim.ts'

export interface DatabaseParts {
  readonly kind: 'embedded' | 'external'
  /** Where the data is, without user or password. */
  readonly where: string
  readonly pools: Pools
  /** For what waits for no row. */
  readonly sql: Sql
  /** For what may have to. */
  readonly rowSql: Sql
  readonly prisma: LazyPrisma
  readonly backend: Backend
  readonly listener: Listener
  /** Tables that tools cannot use; empty while that is not known. */
  unusableTables(): ReadonlySet<string>
  jobMarkers(): JobMarker[]
  /** `fn` is called whenever the schema has been looked at. */
  onSchema(fn: () => void): void
  /** Closes every connection, then the embedded server. */
  close(): Promise<void>
}

/** Everything between the daemon and its PostgreSQL, embedded or somebody's. */
export function composeDatabase({ config, redactor, logger }: DaemonOptions): DatabaseParts {
  const { paths } = config
  const log = (service: string) => logger.child({ service })
  const embedded =
    config.databaseUrl === undefined ? new EmbeddedPostgres({ paths, logger: log('postgres') }) : null
  const url = parseDatabaseUrl(embedded?.url ?? config.databaseUrl ?? '')
  const pools = new Pools({ url, logger: log('database') })
  const sql = coreSql(pools)
  const prisma = new LazyPrisma(pools)
  let schema: SchemaFindings | null = null
  let schemaSeen: () => void = () => undefined
  const found = (findings: SchemaFindings) => {
    schema = findings
    schemaSeen()
  }
  const backend = new Backend(backendSteps({ config, pools, embedded, redactor, found }), log('backend'))
  const direct = config.directDatabaseUrl
  const listener = new Listener({
    url: direct === undefined ? url : parseDatabaseUrl(direct, 'DIRECT_DATABASE_URL'),
    notify: (channel, payload) => sql.query({ text: 'select pg_notify($1, $2)', values: [channel, payload] }),
    logger: log('listen'),
    // Nobody listens before our own server runs; asking for it here waits for whoever starts it.
    beforeConnect: async () => embedded?.ensureRunning(),
  })
  return {
    ...{ pools, sql, prisma, backend, listener },
    rowSql: rowSql(pools),
    kind: embedded === null ? 'external' : 'embedded',
    where: embedded === null ? describeDatabase(url) : paths.dataDir,
    // A database that lacks the core is incomplete: calls say so, and no tool disappears meanwhile.
    unusableTables: () => (schema === null || schema.blocking !== null ? new Set() : schema.unusableTables),
    jobMarkers: () => jobMarkers(schema),
    onSchema(fn) {
      schemaSeen = fn
    },
    async close() {
      await prisma.close()
      await pools.end()
      await embedded?.stop()
    },
  }
}

/** Columns by which a newer Scrum4Me marks jobs for others (contract 4, Which). */
function jobMarkers(schema: SchemaFindings | null): JobMarker[] {
  const { sprintRunId = false, runtime = false, requiredCapability = false } = schema?.optional ?? {}
  return [
    ...(sprintRunId ? ['sprint_run_id' as const] : []),
    ...(runtime ? ['runtime' as const] : []),
    ...(requiredCapability ? ['required_capability' as const] : []),
  ]
}
