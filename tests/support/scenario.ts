import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import pg from 'pg'
import { migrate } from '../../daemon/db/migrate.ts'
import { utcTypes } from '../../daemon/db/timestamps.ts'
import type { Agent } from './agent.ts'
import { type CloneWithOrigin, cloneWithOrigin } from './git.ts'
import { Installation, type InstallationOptions } from './installation.ts'
import { type TestDatabase, testDatabase } from './postgres.ts'
import { seed } from './seed.ts'
import type { TestServer } from './test-server.ts'

export interface Product extends CloneWithOrigin {
  readonly id: string
}

export interface Running {
  readonly scenario: Scenario
  readonly machine: Installation
  readonly product: Product
}

export interface AtWork extends Running {
  readonly agent: Agent
}

/** A database with one user, and installations of the real daemon that act for that user. */
export class Scenario {
  readonly db: TestDatabase
  readonly userId: string
  readonly #installations: Installation[] = []

  private constructor(db: TestDatabase, userId: string) {
    this.db = db
    this.userId = userId
  }

  /** Without a server of its own, the database is a new one on the suite's. */
  static async make(server?: TestServer): Promise<Scenario> {
    const db = server === undefined ? await testDatabase() : await databaseOn(server)
    return new Scenario(db, String((await seed.user(db)).id))
  }

  /** One machine with one product, its daemon started. Close the scenario. */
  static async running(): Promise<Running> {
    const scenario = await Scenario.make()
    const machine = await scenario.installation()
    const product = await scenario.product(machine)
    await machine.start()
    return { scenario, machine, product }
  }

  /** The same, and an agent there. */
  static async atWork(): Promise<AtWork> {
    const running = await Scenario.running()
    return { ...running, agent: await running.machine.agent() }
  }

  /** A daemon's installation with a token of its own; `token` shares one. */
  async installation(options: InstallationOptions = {}): Promise<Installation> {
    const token = options.token ?? (await seed.token(this.db, { user_id: this.userId })).plain
    const made = await Installation.make({ databaseUrl: this.db.url, ...options, token })
    this.#installations.push(made)
    return made
  }

  /** A product with a clone below the installation's directory; `known`: its root is configured there. */
  async product(on: Installation, options: { name?: string; known?: boolean } = {}): Promise<Product> {
    const row = await seed.product(this.db, { user_id: this.userId })
    const id = String(row.id)
    const made = await cloneWithOrigin(join(on.dir, 'clones'), options.name ?? id)
    if (options.known !== false) await this.know(on, { [id]: made.clone })
    return { id, ...made }
  }

  /** Writes the agent config file: these repo roots and no others. */
  async know(on: Installation, repoRoots: Record<string, string>): Promise<void> {
    await writeFile(join(on.env.HOME ?? '', '.scrum4me-agent-config.json'), JSON.stringify({ repoRoots }))
  }

  /** A queued job for a new task; older jobs have a lower `created_at`. Notified unless `quiet`. */
  async job(
    productId: string,
    options: { quiet?: boolean; row?: Record<string, unknown> } = {},
  ): Promise<string> {
    const { id } = await seed.job(this.db, { product_id: productId, user_id: this.userId, ...options.row })
    if (options.quiet !== true) {
      await this.notify({
        type: 'claude_job_enqueued',
        user_id: this.userId,
        product_id: productId,
        job_id: id,
      })
    }
    return String(id)
  }

  async notify(payload: unknown): Promise<void> {
    await this.db.query('select pg_notify($1, $2)', ['scrum4me_changes', JSON.stringify(payload)])
  }

  async jobRow(id: string): Promise<Record<string, unknown>> {
    const [row] = await this.db.query('select * from claude_jobs where id = $1', [id])
    if (row === undefined) throw new Error(`no job ${id}`)
    return row
  }

  async workers(): Promise<Record<string, unknown>[]> {
    return this.db.query('select * from claude_workers where user_id = $1', [this.userId])
  }

  async close(): Promise<void> {
    const ended = await Promise.allSettled(this.#installations.map((one) => one.remove()))
    await this.db.drop()
    for (const result of ended) if (result.status === 'rejected') throw result.reason
  }
}

/** A migrated database on a server that the test may kill. */
async function databaseOn(server: TestServer): Promise<TestDatabase> {
  const admin = new pg.Client({ connectionString: server.url('postgres') })
  await admin.connect()
  await admin.query('create database scenario')
  await admin.end()
  const url = server.url('scenario')
  const pool = new pg.Pool({ connectionString: url, max: 4, types: utcTypes })
  pool.on('error', () => undefined)
  await migrate(pool)
  return {
    ...{ url, name: 'scenario', socketDir: server.socketDir, pool },
    query: async (sql, values) => (await pool.query(sql, values)).rows,
    drop: () => pool.end(),
  }
}
