import { createHash, randomUUID } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type pg from 'pg'
import { DaemonError } from '../errors.ts'
import { migrationsDir } from './migrations-dir.ts'

export interface MigrateResult {
  /** Names of the migrations that were applied now, in order. */
  readonly applied: readonly string[]
  /** Applied migrations that this version does not know: the database has seen a newer one. */
  readonly unknown: readonly string[]
}

interface Migration {
  readonly name: string
  readonly sql: string
  readonly checksum: string
}

/** The lock that `prisma migrate` takes, so that the two never work at once. Source: Prisma's schema engine. */
const PRISMA_LOCK = 72707369
/** Waiting for another daemon's migration included. */
const TIMEOUT_MS = 120_000

/** Exactly as `prisma migrate deploy` creates it. */
const HISTORY = `
  create table if not exists _prisma_migrations (
    id                  varchar(36) primary key not null,
    checksum            varchar(64) not null,
    finished_at         timestamptz,
    migration_name      varchar(255) not null,
    logs                text,
    rolled_back_at      timestamptz,
    started_at          timestamptz not null default now(),
    applied_steps_count integer not null default 0
  )`

/**
 * Applies what is missing of `prisma/migrations`, each file in a transaction of its own, recorded as Prisma
 * records it, so that `prisma migrate deploy` goes on where this ended. Concurrent calls wait for one another.
 * For the embedded database only: a shared one belongs to Scrum4Me. Throws CONFLICT, with nothing changed,
 * if a file that was applied has been edited since, or an earlier attempt by Prisma failed half way.
 */
export async function migrate(pool: Pick<pg.Pool, 'connect'>, directory?: string): Promise<MigrateResult> {
  const migrations = await readMigrations(directory ?? (await migrationsDir()))
  const client = await pool.connect()
  let broken: unknown
  try {
    await run(client, `set statement_timeout = ${TIMEOUT_MS}`)
    await run(client, `select pg_advisory_lock(${PRISMA_LOCK})`)
    try {
      return await applyMissing(client, migrations)
    } finally {
      await run(client, `select pg_advisory_unlock(${PRISMA_LOCK})`)
    }
  } catch (error) {
    broken = error
    throw error
  } finally {
    // The session has settings of ours and perhaps a lock: it is not given back.
    client.release(broken instanceof Error ? broken : true)
  }
}

/** All migrations in order of their names, as Prisma orders them. */
export async function readMigrations(directory: string): Promise<Migration[]> {
  const entries = await readdir(directory, { withFileTypes: true })
  const names = entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name)
  return Promise.all(
    names.sort().map(async (name) => {
      const bytes = await readFile(join(directory, name, 'migration.sql'))
      const checksum = createHash('sha256').update(bytes).digest('hex')
      return { name, sql: bytes.toString('utf8'), checksum }
    }),
  )
}

async function applyMissing(client: pg.ClientBase, migrations: readonly Migration[]): Promise<MigrateResult> {
  await run(client, HISTORY)
  const { rows } = await client.query<{ name: string; checksum: string; finished: boolean }>(
    `select migration_name as name, checksum, finished_at is not null as finished
       from _prisma_migrations where rolled_back_at is null`,
  )
  for (const row of rows) refuseUnlessIntact(row, migrations)
  const done = new Set(rows.map((row) => row.name))
  const missing = migrations.filter((migration) => !done.has(migration.name))
  for (const migration of missing) await apply(client, migration)
  const known = new Set(migrations.map((migration) => migration.name))
  return {
    applied: missing.map((migration) => migration.name),
    unknown: [...done].filter((name) => !known.has(name)).sort(),
  }
}

function refuseUnlessIntact(
  row: { name: string; checksum: string; finished: boolean },
  migrations: readonly Migration[],
): void {
  if (!row.finished) {
    throw new DaemonError(
      'CONFLICT',
      `The migration ${row.name} was begun by Prisma and did not finish; nothing was changed`,
      'Resolve it with `prisma migrate resolve`, then start the daemon again.',
    )
  }
  const file = migrations.find((migration) => migration.name === row.name)
  if (file !== undefined && file.checksum !== row.checksum) {
    throw new DaemonError(
      'CONFLICT',
      `The migration ${row.name} was applied in another wording than this version has; nothing was changed`,
      'Install scrum4me-daemon anew; a migration that was released is never edited.',
    )
  }
}

async function apply(client: pg.ClientBase, migration: Migration): Promise<void> {
  await run(client, 'begin')
  try {
    await run(client, migration.sql)
    await client.query(
      `insert into _prisma_migrations
         (id, checksum, migration_name, started_at, finished_at, applied_steps_count)
       values ($1, $2, $3, now(), clock_timestamp(), 1)`,
      [randomUUID(), migration.checksum, migration.name],
    )
    await run(client, 'commit')
  } catch (error) {
    await run(client, 'rollback').catch(() => undefined)
    throw error
  }
}

/** Without parameters, so that a text of many statements is one message; with a deadline of its own. */
async function run(client: pg.ClientBase, text: string): Promise<void> {
  // `query_timeout` is read per query too, which the published types leave out.
  const query: pg.QueryConfig & { query_timeout: number } = { text, query_timeout: TIMEOUT_MS + 5_000 }
  await client.query(query)
}
