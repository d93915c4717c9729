import { randomBytes } from 'node:crypto'
import pg from 'pg'
import { inject } from 'vitest'
import { socketUrl } from '../../daemon/db/embedded/socket-url.ts'
import { utcTypes } from '../../daemon/db/timestamps.ts'
import { TEMPLATE } from './template.ts'
import { makeTestServer, type TestServer } from './test-server.ts'

export interface TestDatabase {
  /** For DATABASE_URL; a Unix socket. */
  readonly url: string
  readonly name: string
  readonly socketDir: string
  /** For the test's own questions; four connections at most, times read as UTC. */
  readonly pool: pg.Pool
  query<R extends pg.QueryResultRow = pg.QueryResultRow>(sql: string, values?: unknown[]): Promise<R[]>
  /** Closes the pool and drops the database, other connections included; idempotent. */
  drop(): Promise<void>
}

/** A database of the test's own: migrated, or (`empty`) without any table. */
export async function testDatabase(options: { empty?: boolean } = {}): Promise<TestDatabase> {
  const socketDir = inject('postgresSocketDir')
  const name = `t_${randomBytes(8).toString('hex')}`
  await admin(socketDir, `create database ${name} template ${options.empty ? 'template0' : TEMPLATE}`)
  const url = socketUrl(socketDir, name)
  const pool = new pg.Pool({ connectionString: url, max: 4, types: utcTypes })
  // A connection that the test breaks on purpose is not the pool's business.
  pool.on('error', () => undefined)
  let dropped: Promise<void> | undefined
  const drop = async () => {
    await pool.end()
    await admin(socketDir, `drop database if exists ${name} with (force)`)
  }
  return {
    ...{ url, name, socketDir, pool },
    query: async (sql, values) => (await pool.query(sql, values)).rows,
    drop: () => {
      dropped ??= drop()
      return dropped
    },
  }
}

/** A running server of the test's own, to kill, stop and start again; `remove()` it at the end. */
export async function startPostgres(): Promise<TestServer> {
  const server = await makeTestServer()
  try {
    await server.start()
    return server
  } catch (error) {
    await server.remove()
    throw error
  }
}

async function admin(socketDir: string, sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: socketUrl(socketDir, 'postgres') })
  await client.connect()
  try {
    await client.query(sql)
  } finally {
    await client.end()
  }
}
