import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { migrate } from '../../../daemon/db/migrate.ts'
import { makeTestServer, type TestServer } from '../../support/test-server.ts'
import { Cleanup } from './cleanup.ts'
import { Tenant } from './tenant.ts'

/** A server as one runs in production: what it has acknowledged is on the disk. */
const SETTINGS = {
  fsync: 'on',
  full_page_writes: 'on',
  synchronous_commit: 'on',
  shared_buffers: '128MB',
  max_connections: '400',
  max_wal_size: '2GB',
  // It would add transactions of its own to those that are counted.
  autovacuum_naptime: '10min',
}

const TEMPLATE = 'bench_template'

/** Where every bench of a run takes place: one PostgreSQL for ours, the floors and the rivals, and one directory. */
export class World {
  readonly dir: string
  readonly server: TestServer
  readonly #cleanup: Cleanup
  #databases = 0

  private constructor(dir: string, server: TestServer, cleanup: Cleanup) {
    this.dir = dir
    this.server = server
    this.#cleanup = cleanup
  }

  static async make(): Promise<World> {
    const cleanup = new Cleanup()
    try {
      const dir = cleanup.own(await mkdtemp(join(tmpdir(), 's4m-bench-')), (path) =>
        rm(path, { recursive: true, force: true, maxRetries: 5 }),
      )
      const server = cleanup.own(await makeTestServer({ settings: SETTINGS }), (made) => made.remove())
      await server.start()
      const world = new World(dir, server, cleanup)
      await world.admin(`create database ${TEMPLATE}`)
      const pool = new pg.Pool({ connectionString: server.url(TEMPLATE), max: 1 })
      await migrate(pool)
      await pool.end()
      return world
    } catch (error) {
      await cleanup.run()
      throw error
    }
  }

  /** A migrated database of its own with one user in it; counters of the server are kept by database. */
  async tenant(): Promise<Tenant> {
    this.#databases += 1
    const name = `bench_${this.#databases}`
    await this.admin(`create database ${name} template ${TEMPLATE}`)
    const pool = new pg.Pool({ connectionString: this.server.url(name), max: 4, application_name: 'bench' })
    pool.on('error', () => undefined)
    this.#cleanup.own(pool, (made) => made.end())
    return Tenant.make(pool, this.server.url(name), name)
  }

  async postgresVersion(): Promise<string> {
    const client = new pg.Client({ connectionString: this.server.url('postgres') })
    await client.connect()
    const { rows } = await client.query<{ server_version: string }>('show server_version')
    await client.end()
    return rows[0]?.server_version ?? 'unknown'
  }

  async admin(sql: string): Promise<void> {
    const client = new pg.Client({ connectionString: this.server.url('postgres') })
    await client.connect()
    await client.query(sql).finally(() => client.end())
  }

  /** For one bench, which runs it at its end; an interrupted run does so too. */
  scope(): Cleanup {
    return this.#cleanup.child()
  }

  async close(): Promise<void> {
    await this.#cleanup.run()
  }
}
