import { mkdtemp, readdir, readFile, realpath, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { migrationsDir } from '../../../daemon/db/migrations-dir.ts'
import { newId } from '../../../daemon/db/new-id.ts'
import { utcTypes } from '../../../daemon/db/timestamps.ts'
import { delay } from '../../../daemon/lifecycle/delay.ts'
import { type CloneWithOrigin, cloneWithOrigin } from '../../support/git.ts'
import { MAIN, SHIM } from '../../support/installation.ts'
import { startPostgres } from '../../support/postgres.ts'
import { startProxy } from '../../support/proxy.ts'
import { seed } from '../../support/seed.ts'
import type { TestServer } from '../../support/test-server.ts'
import { type AuditRow, installAudit, readAudit } from './audit.ts'
import { History } from './history.ts'
import { type Build, Machine } from './machine.ts'

export interface FinalJob {
  readonly id: string
  readonly status: string
  readonly summary: string | null
  readonly branch: string | null
  readonly instance: string | null
}

const DATABASE = 'chaos'
/** Leaves logs, homes, clones, history and audit for a person to look at. */
const KEEP = process.env.SCRUM4ME_CHAOS_KEEP === '1'

/** A PostgreSQL of its own with one user's backlog, machines that work for that user, and everything noted. */
export class Laboratory {
  readonly dir: string
  readonly server: TestServer
  readonly history = new History()
  readonly machines: Machine[] = []
  readonly build: Build
  readonly #pool: pg.Pool
  readonly #userId: string
  readonly #productId: string
  readonly #taskId: string

  private constructor(
    dir: string,
    server: TestServer,
    build: Build,
    pool: pg.Pool,
    ids: { user: string; product: string; task: string },
  ) {
    this.dir = dir
    this.server = server
    this.build = build
    this.#pool = pool
    this.#userId = ids.user
    this.#productId = ids.product
    this.#taskId = ids.task
  }

  static async make(build: Build = { main: MAIN, shim: SHIM }): Promise<Laboratory> {
    const server = await startPostgres()
    try {
      const admin = new pg.Client({ connectionString: server.url('postgres') })
      await admin.connect()
      await admin.query(`create database ${DATABASE}`)
      // A kill of the server is to lose nothing that it confirmed; the test server's own setting would.
      await admin.query(`alter database ${DATABASE} set synchronous_commit = on`)
      await admin.end()
      const pool = new pg.Pool({ connectionString: server.url(DATABASE), max: 4, types: utcTypes })
      pool.on('error', () => undefined)
      const directory = await migrationsDir()
      for (const name of (await readdir(directory)).sort()) {
        if (name.endsWith('.toml')) continue
        await pool.query(await readFile(join(directory, name, 'migration.sql'), 'utf8'))
      }
      await installAudit(pool)
      const user = (await seed.user(pool)).id
      const product = (await seed.product(pool, { user_id: user })).id
      const task = (await seed.task(pool, { product_id: product })).id
      const dir = await realpath(await mkdtemp(join(tmpdir(), 's4m-chaos-')))
      return new Laboratory(dir, server, build, pool, { user, product, task })
    } catch (error) {
      await server.remove()
      throw error
    }
  }

  get productId(): string {
    return this.#productId
  }

  get userId(): string {
    return this.#userId
  }

  get taskId(): string {
    return this.#taskId
  }

  /** A clone of a new `origin`; machines may share one. */
  clone(name: string): Promise<CloneWithOrigin> {
    return cloneWithOrigin(join(this.dir, 'clones'), name)
  }

  async machine(name: string, clone: string, env: Record<string, string> = {}): Promise<Machine> {
    const proxy = await startProxy(this.server.socketDir)
    const machine = await Machine.make({
      name,
      dir: join(this.dir, name),
      build: this.build,
      history: this.history,
      databaseUrl: proxy.url(this.server.url(DATABASE)),
      token: (await seed.token(this.#pool, { user_id: this.#userId })).plain,
      proxy,
      productId: this.#productId,
      clone,
      env,
    })
    this.machines.push(machine)
    return machine
  }

  /** A statement that may be asked again, until a database that is killed meanwhile is back. */
  async query(text: string, values: unknown[] = []): Promise<Record<string, unknown>[]> {
    for (let attempt = 0; ; attempt += 1) {
      try {
        return (await this.#pool.query<Record<string, unknown>>(text, values)).rows
      } catch (error) {
        if (attempt === 200) throw error
        await delay(100)
      }
    }
  }

  /** Holds a job's row locked while `during` runs, as somebody's long transaction would. */
  async locked<T>(job: string, during: () => Promise<T>): Promise<T> {
    const client = await this.#pool.connect()
    try {
      await client.query('begin')
      await client.query('select 1 from claude_jobs where id = $1 for update', [job])
      return await during()
    } finally {
      await client.query('rollback')
      client.release()
    }
  }

  async enqueue(count: number): Promise<string[]> {
    const ids = Array.from({ length: count }, () => newId())
    await this.query(
      `with made as (
         insert into claude_jobs (id, user_id, product_id, task_id, updated_at)
         select id, $2, $3, $4, now() at time zone 'utc' from unnest($1::text[]) as id
         on conflict do nothing returning id
       ) select pg_notify('scrum4me_changes', json_build_object('type', 'claude_job_enqueued',
           'user_id', $2::text, 'product_id', $3::text)::text) where exists (select 1 from made)`,
      [ids, this.#userId, this.#productId, this.#taskId],
    )
    return ids
  }

  /** How many jobs are in which status. */
  async counts(): Promise<Record<string, number>> {
    const rows = await this.query('select status::text, count(*)::int as n from claude_jobs group by status')
    return Object.fromEntries(rows.map((row) => [String(row.status), Number(row.n)]))
  }

  async jobs(): Promise<FinalJob[]> {
    const rows = await this.query('select * from claude_jobs order by created_at, id')
    const text = (value: unknown) => (typeof value === 'string' ? value : null)
    return rows.map((row) => ({
      id: String(row.id),
      status: String(row.status),
      summary: text(row.summary),
      branch: text(row.branch),
      instance: text(row.worker_instance_id),
    }))
  }

  async audit(): Promise<AuditRow[]> {
    return readAudit({ query: async (sql) => ({ rows: await this.query(sql) }) })
  }

  /** Ends and deletes everything, whatever state the test left it in. */
  async close(): Promise<void> {
    const ended = await Promise.allSettled(this.machines.map((machine) => machine.remove()))
    if (KEEP) await this.#keep()
    await this.#pool.end()
    await this.server.remove()
    if (!KEEP) await rm(this.dir, { recursive: true, force: true, maxRetries: 5 })
    for (const result of ended) if (result.status === 'rejected') throw result.reason
  }

  async #keep(): Promise<void> {
    const lines = (all: readonly unknown[]) => all.map((one) => `${JSON.stringify(one)}\n`).join('')
    await writeFile(join(this.dir, 'history.jsonl'), lines(this.history.all))
    await writeFile(join(this.dir, 'audit.jsonl'), lines(await this.audit()))
    console.log(`Kept: ${this.dir}`)
  }
}
