import { randomBytes } from 'node:crypto'
import pg from 'pg'
import { DaemonError } from '../errors.ts'
import { delay } from '../lifecycle/delay.ts'
import type { DatabaseUrl } from './database-url.ts'
import { applicationName, applyIfDirect, clientConfig, READABLE } from './pools.ts'
import { Sockets } from './sockets.ts'

export interface ListenConnectionOptions {
  readonly url: DatabaseUrl
  readonly channel: string
  /** How long an answer or a test notification may take, ms. */
  readonly answerMs: number
  readonly onNotification: (payload: string) => void
  readonly hostname?: string
}

/** Notifications do not arrive here although statements work: a transaction pooler stands in between. */
export class NotListeningError extends DaemonError {
  constructor(where: string) {
    super(
      'DATABASE_UNAVAILABLE',
      `Notifications do not arrive from ${where}: a transaction pooler answers there`,
      'Set DIRECT_DATABASE_URL to the database server itself; until then the daemon polls.',
    )
  }
}

/** One connection that listens on one channel, and on a private one through which it tests itself. */
export class ListenConnection {
  readonly #options: ListenConnectionOptions
  readonly #private = `scrum4me_test_${randomBytes(8).toString('hex')}`
  readonly #sockets = new Sockets()
  readonly #client: pg.Client
  readonly #broken: Promise<Error>
  #awaited: { nonce: string; arrived: () => void } | undefined
  #lastHeard = performance.now()
  /** No pooler or proxy in between, so a notification to ourselves proves that we listen. */
  #direct = false

  constructor(options: ListenConnectionOptions) {
    this.#options = options
    const config = clientConfig(options.url, applicationName(options.hostname), this.#sockets)
    this.#client = new pg.Client({ ...config, query_timeout: options.answerMs })
    this.#broken = new Promise((resolve) => {
      this.#client.on('error', resolve)
      this.#client.on('end', () => resolve(new Error('the connection ended')))
    })
    this.#client.on('notification', ({ channel, payload }) => this.#hear(channel, payload ?? ''))
  }

  /** Resolves with the reason when the connection breaks. */
  get broken(): Promise<Error> {
    return this.#broken
  }

  /** Connects and listens; throws the driver's error. */
  async open(): Promise<void> {
    // The driver never settles a connect that `close` cuts off.
    const broken = this.#broken.then((error) => Promise.reject(error))
    await Promise.race([this.#client.connect(), broken])
    // It is idle by nature, and would be cut off and made again every time.
    const settings: [string, string][] = [...READABLE, ['idle_session_timeout', '0']]
    this.#direct = await applyIfDirect(this.#client, this.#options.url, settings)
    await this.#client.query(`listen ${pg.escapeIdentifier(this.#options.channel)}`)
    await this.#client.query(`listen ${this.#private}`)
  }

  /**
   * Proves that notifications arrive. Through a pooler a notification to ourselves proves nothing (it may
   * come back on the very connection that sent it), so there `send` must use another connection.
   * Throws NotListeningError when it was sent and did not arrive.
   */
  async test(send: (channel: string, payload: string) => Promise<unknown>): Promise<void> {
    const nonce = randomBytes(8).toString('hex')
    const arrived = new Promise<boolean>((resolve) => {
      this.#awaited = { nonce, arrived: () => resolve(true) }
    })
    const deadline = new AbortController()
    try {
      if (this.#direct) await this.#client.query('select pg_notify($1, $2)', [this.#private, nonce])
      else await send(this.#private, nonce)
      const late = delay(this.#options.answerMs, deadline.signal).then(() => false)
      const broken = this.#broken.then((error) => Promise.reject(error))
      if (!(await Promise.race([arrived, late, broken]))) throw new NotListeningError(this.#options.url.host)
    } finally {
      deadline.abort()
      this.#awaited = undefined
    }
  }

  /** ms since anything arrived, by a clock that nobody sets. */
  get silentMs(): number {
    return performance.now() - this.#lastHeard
  }

  /** Closes it, politely for at most `graceMs`. */
  async close(graceMs = 1_000): Promise<void> {
    await this.#sockets.endWithin(graceMs, this.#client.end())
  }

  #hear(channel: string, payload: string): void {
    this.#lastHeard = performance.now()
    if (channel === this.#options.channel) this.#options.onNotification(payload)
    else if (payload === this.#awaited?.nonce) this.#awaited.arrived()
  }
}
