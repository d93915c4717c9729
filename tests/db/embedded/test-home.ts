import { chmod, cp, mkdir, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import {
  EmbeddedPostgres,
  type EmbeddedPostgresOptions,
  embeddedUrl,
} from '../../../daemon/db/embedded/embedded-postgres.ts'
import { silentLogger } from '../../../daemon/logger.ts'
import { type Paths, resolvePaths } from '../../../daemon/paths.ts'
import { readProcess } from '../../../daemon/wire/read-process.ts'
import { until } from '../../support/until.ts'

/** A home of a test's own, and the embedded servers that were made for it. */
export class TestHome {
  /** May be set to a home below `directory`. */
  paths: Paths
  readonly directory: string
  readonly #made: EmbeddedPostgres[] = []

  private constructor(directory: string) {
    this.directory = directory
    this.paths = resolvePaths({}, { home: directory })
  }

  static async make(): Promise<TestHome> {
    return new TestHome(await mkdtemp(join(tmpdir(), 's4m-home-')))
  }

  /** A home whose server ran before, with one row in `kept`, and is stopped. */
  static async installed(): Promise<TestHome> {
    const home = await TestHome.make()
    await home.server().start()
    await home.ask('create table kept (n int); insert into kept values (1)')
    await home.stop()
    return home
  }

  /** Gives this home the data of another one, which is stopped. */
  async copyFrom(other: TestHome): Promise<void> {
    await mkdir(this.paths.dataDir, { recursive: true, mode: 0o700 })
    await cp(other.cluster, this.cluster, { recursive: true })
    await chmod(this.cluster, 0o700)
  }

  get cluster(): string {
    return join(this.paths.dataDir, 'cluster')
  }

  /** A service for this home, as each daemon that runs there has one. */
  server(options: Partial<EmbeddedPostgresOptions> = {}): EmbeddedPostgres {
    const { paths } = this
    const server = new EmbeddedPostgres({ paths, logger: silentLogger, sync: false, ...options })
    this.#made.push(server)
    return server
  }

  async ask(sql: string): Promise<Record<string, unknown>[]> {
    const client = new pg.Client({
      connectionString: embeddedUrl(this.paths),
      connectionTimeoutMillis: 2_000,
    })
    client.on('error', () => undefined)
    try {
      await client.connect()
      return (await client.query(sql)).rows
    } finally {
      await client.end().catch(() => undefined)
    }
  }

  /** Process id of the server that runs here. */
  async postmaster(): Promise<number> {
    return Number.parseInt(await readFile(join(this.cluster, 'postmaster.pid'), 'utf8'), 10)
  }

  /** Ends the server as a power failure would. */
  async kill(): Promise<void> {
    const pid = await this.postmaster()
    process.kill(pid, 'SIGKILL')
    await until('the server is dead', () => isDead(pid))
  }

  /** Stops every server that was made for this home. */
  async stop(): Promise<void> {
    for (const server of this.#made.splice(0)) await server.stop()
  }

  async remove(): Promise<void> {
    await this.stop()
    await rm(this.directory, { recursive: true, force: true })
  }
}

/** Gone, or a zombie that nobody has reaped. */
export async function isDead(pid: number): Promise<boolean> {
  return (await readProcess(pid)) === null
}
