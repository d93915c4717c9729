import { hostname } from 'node:os'
import pg from 'pg'
import type { Logger } from '../logger.ts'
import type { DatabaseUrl } from './database-url.ts'
import { Sockets } from './sockets.ts'
import { utcTypes } from './timestamps.ts'

export interface PoolsOptions {
  readonly url: DatabaseUrl
  readonly logger: Logger
  /** As it stands in `application_name`; default: this machine's. */
  readonly hostname?: string
}

/** Deadlines of one pool, ms. The server's comes first, so that a slow statement is cancelled there. */
interface Deadlines {
  /** For a connection, be it a new one or one that others use. */
  readonly connect: number
  readonly statement: number
  readonly answer: number
}

// Calls are answered within 10 s at most, a beat is due every 5 s.
const CORE: Deadlines = { connect: 4_000, statement: 2_000, answer: 4_000 }
const BACKLOG: Deadlines = { connect: 9_000, statement: 8_000, answer: 9_000 }

/**
 * The machine's connections to its database but the one that listens: at most three.
 * `core` has one and serves heartbeats, claims and rescue, which no tool call and no locked row may delay;
 * `backlog` has two, for whatever may wait for a row, and is shared with Prisma. Connections are made when needed and closed when idle for a minute, so
 * nothing is open while nobody asks; `pause` closes them at once.
 *
 * Sessions run in UTC. Statements should all the same say `now() at time zone 'utc'`: behind a transaction
 * pooler a session is shared with strangers, and nothing is set there.
 */
export class Pools {
  readonly url: DatabaseUrl
  readonly core: pg.Pool
  readonly backlog: pg.Pool
  readonly #logger: Logger
  readonly #sockets = new Sockets()
  #direct: boolean | undefined
  #ended: Promise<void> | undefined

  constructor(options: PoolsOptions) {
    this.url = options.url
    this.#logger = options.logger
    const name = applicationName(options.hostname)
    this.core = this.#make(1, CORE, name)
    this.backlog = this.#make(2, BACKLOG, name)
  }

  /**
   * Whether the last connection led straight to a server: only then may statements be prepared by name.
   * Undefined before the first connection.
   */
  get direct(): boolean | undefined {
    return this.#direct
  }

  /** Closes every connection that is not in use; the next query opens one again. */
  async pause(): Promise<void> {
    await Promise.all([this.core, this.backlog].map(closeIdle))
  }

  /** Closes everything, queries in flight after `graceMs` too; afterwards every query fails. Idempotent. */
  end(graceMs = 1_000): Promise<void> {
    this.#ended ??= this.#sockets.endWithin(graceMs, Promise.all([this.core.end(), this.backlog.end()]))
    return this.#ended
  }

  #make(max: number, deadlines: Deadlines, name: string): pg.Pool {
    const pool = new pg.Pool({
      ...clientConfig(this.url, name, this.#sockets),
      max,
      connectionTimeoutMillis: deadlines.connect,
      query_timeout: deadlines.answer,
      idleTimeoutMillis: 60_000,
      onConnect: (client) => this.#prepare(client, deadlines.statement),
    })
    // An idle connection that breaks is replaced by the pool; without a listener it would end the process.
    pool.on('error', (error) => this.#logger.debug({ err: error.message }, 'idle connection lost'))
    return pool
  }

  /**
   * A pooler answers with a cancellation key of its own, a server with its process id. Only a session that
   * is ours alone gets settings; they are not sent at connect because poolers refuse those they do not know.
   */
  async #prepare(client: pg.ClientBase, statementMs: number): Promise<void> {
    const settings: [string, string][] = [
      ...READABLE,
      // Under a stricter one, statements that skip what others have changed would fail instead.
      ['default_transaction_isolation', 'read committed'],
      ['statement_timeout', String(statementMs)],
      ['idle_in_transaction_session_timeout', '15000'],
    ]
    if (this.url.schema !== undefined) settings.push(['search_path', `"${this.url.schema}"`])
    this.#direct = await applyIfDirect(client, this.url, settings)
  }
}

/**
 * Times as every reader here expects them, whatever the role or the database has been set to: a claim is known by its
 * time as text, and outlives that setting.
 */
export const READABLE: readonly [string, string][] = [
  ['TimeZone', 'UTC'],
  ['DateStyle', 'ISO'],
]

/** What every client of ours has in common; deadlines on connecting, no endless wait on a dead link. */
export function clientConfig(url: DatabaseUrl, applicationName: string, sockets: Sockets): pg.ClientConfig {
  return {
    connectionString: url.connectionString,
    application_name: applicationName,
    connectionTimeoutMillis: 5_000,
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
    types: utcTypes,
    stream: sockets.make,
  }
}

/** Source: contract section 8. PostgreSQL cuts names at 63 bytes and shows only printable ASCII. */
export function applicationName(host: string = hostname()): string {
  return `scrum4me-daemon/${host.replace(/[^!-~]/g, '?')}`.slice(0, 63)
}

/**
 * Applies session settings, those that the server knows, unless something stands between us and it; tells whether
 * nothing does.
 */
export async function applyIfDirect(
  client: pg.ClientBase,
  url: DatabaseUrl,
  settings: readonly (readonly [name: string, value: string])[],
): Promise<boolean> {
  if (url.saysPooler) return false
  const pid = 'processID' in client && typeof client.processID === 'number' ? client.processID : 0
  const result = await client.query<{ direct: boolean }>({
    text: `select s.direct, array(select set_config(name, value, false)
             from unnest($2::text[], $3::text[]) as setting(name, value)
             where s.direct and current_setting(name, true) is not null) as settings
           from (select pg_backend_pid() = $1 as direct) s`,
    values: [pid, settings.map(([name]) => name), settings.map(([, value]) => value)],
  })
  return result.rows[0]?.direct === true
}

async function closeIdle(pool: pg.Pool): Promise<void> {
  // Public surface only: an idle connection is taken out and not given back.
  const idle = await Promise.all(
    Array.from({ length: pool.idleCount }, () => pool.connect().catch(() => undefined)),
  )
  for (const client of idle) client?.release(true)
}
