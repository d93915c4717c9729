import { messageOf } from '../errors.ts'
import { backoff, delay } from '../lifecycle/delay.ts'
import type { Service } from '../lifecycle/service.ts'
import type { Logger } from '../logger.ts'
import { CHANGES_CHANNEL, type Change, parseChange } from './change.ts'
import type { DatabaseUrl } from './database-url.ts'
import { ListenConnection, NotListeningError } from './listen-connection.ts'
import { unlessAborted } from './unless-aborted.ts'

/**
 * off → reconnecting → listening       start; every loss of the connection goes back to reconnecting
 *       reconnecting → polling         statements work but notifications do not arrive (a pooler); from listening
 *                                      too, when they arrive no more
 *       polling → listening            tried again every few minutes, and they do
 *       polling → reconnecting         the same, and no connection came to stand
 *       any → off                      stop
 * Only the loop in `#run` and `stop` move it. A notification is a nudge: whoever subscribes must find out
 * by a poll what was missed while this was not `listening`.
 */
export type ListenState = 'listening' | 'polling' | 'reconnecting' | 'off'

export interface ListenerOptions {
  /** A server's own URL where there is one (DIRECT_DATABASE_URL), never a pooler's. */
  readonly url: DatabaseUrl
  /** Sends a notification over another connection than the listener's. */
  readonly notify: (channel: string, payload: string) => Promise<unknown>
  readonly logger: Logger
  /** Called before each attempt to connect: the embedded server may have to be started first. */
  readonly beforeConnect?: () => Promise<void>
  readonly hostname?: string
  /** ms; tests are impatient. */
  readonly testEveryMs?: number
  readonly answerMs?: number
  readonly pollingRetryMs?: number
}

const BACKOFF_BASE_MS = 100
const BACKOFF_CAP_MS = 5_000
/** A connection that was cut off sooner is made again with growing pauses, like one that was refused. */
const STEADY_MS = 5_000

/** The machine's one LISTEN connection, fanned out to whoever subscribes. */
export class Listener implements Service {
  readonly name = 'listener'
  readonly #options: ListenerOptions
  readonly #logger: Logger
  readonly #subscribers = new Set<(change: Change) => void>()
  readonly #reconnected = new Set<() => void>()
  #state: ListenState = 'off'
  #reason: string | undefined
  #stopping: AbortController | undefined
  #running: Promise<void> = Promise.resolve()

  constructor(options: ListenerOptions) {
    this.#options = options
    this.#logger = options.logger
  }

  get state(): ListenState {
    return this.#state
  }

  /** Why it is not listening, as a sentence with what to do; undefined while it listens or is off. */
  get reason(): string | undefined {
    return this.#reason
  }

  /** `fn` hears every well-formed change, in order; it must be quick. Returns how to unsubscribe. */
  subscribe(fn: (change: Change) => void): () => void {
    this.#subscribers.add(fn)
    return () => this.#subscribers.delete(fn)
  }

  /** `fn` is called whenever listening begins, for the first time too: look now, something may have been missed. */
  onReconnect(fn: () => void): () => void {
    this.#reconnected.add(fn)
    return () => this.#reconnected.delete(fn)
  }

  /** Returns at once: a database that is down is no reason not to start. */
  async start(): Promise<void> {
    if (this.#stopping !== undefined) return
    const stopping = new AbortController()
    this.#stopping = stopping
    this.#state = 'reconnecting'
    this.#running = this.#run(stopping.signal)
  }

  async stop(): Promise<void> {
    this.#stopping?.abort()
    await this.#running
    this.#stopping = undefined
    this.#state = 'off'
    this.#reason = undefined
  }

  async #run(signal: AbortSignal): Promise<void> {
    for (let attempt = 0; !signal.aborted; attempt += 1) {
      const outcome = await this.#session(signal)
      if (signal.aborted) return
      if (outcome.listenedMs >= STEADY_MS) attempt = 0
      this.#reason = messageOf(outcome.error)
      if (outcome.error instanceof NotListeningError) {
        this.#state = 'polling'
        this.#reason = outcome.error.text
        this.#logger.warn(outcome.error.text)
        await delay(this.#options.pollingRetryMs ?? 300_000, signal)
      } else {
        this.#state = 'reconnecting'
        if (attempt === 0) this.#logger.warn({ reason: this.#reason }, 'not listening')
        await delay(backoff(attempt, BACKOFF_BASE_MS, BACKOFF_CAP_MS), signal)
      }
    }
  }

  /** One connection from its making to its end; says how it ended. */
  async #session(signal: AbortSignal): Promise<{ error: unknown; listenedMs: number }> {
    let since: number | null = null
    const ended = (error?: unknown) => ({
      error,
      listenedMs: since === null ? 0 : performance.now() - since,
    })
    let connection: ListenConnection | undefined
    const close = () => void connection?.close()
    try {
      const prepared = this.#options.beforeConnect?.()
      if (prepared !== undefined) await unlessAborted(prepared, signal)
      if (signal.aborted) return ended()
      connection = this.#connection()
      signal.addEventListener('abort', close, { once: true })
      await connection.open()
      await connection.test(this.#options.notify)
      since = performance.now()
      this.#begin()
      await this.#watch(connection, signal)
      return ended()
    } catch (error) {
      return ended(error)
    } finally {
      signal.removeEventListener('abort', close)
      await connection?.close()
    }
  }

  #connection(): ListenConnection {
    const { url, hostname, answerMs } = this.#options
    return new ListenConnection({
      url,
      channel: CHANGES_CHANNEL,
      answerMs: answerMs ?? 6_000,
      onNotification: (payload) => this.#publish(payload),
      ...(hostname === undefined ? {} : { hostname }),
    })
  }

  #begin(): void {
    if (this.#reason !== undefined) this.#logger.info('listening again')
    this.#state = 'listening'
    this.#reason = undefined
    for (const fn of this.#reconnected) this.#call(() => fn())
  }

  /**
   * Until the connection breaks (then it throws) or `signal`. A link that is dead without saying so shows
   * when nothing was heard for a while and the test's answer does not come: within 15 + 6 s.
   */
  async #watch(connection: ListenConnection, signal: AbortSignal): Promise<void> {
    const every = this.#options.testEveryMs ?? 15_000
    const stop = new AbortController()
    const done = AbortSignal.any([signal, stop.signal])
    const broken = connection.broken.then((error) => Promise.reject(error))
    const tested = (async () => {
      for (;;) {
        // Whatever arrives shows that the link is alive, so a busy channel is never tested.
        await delay(Math.max(0, every - connection.silentMs), done)
        if (done.aborted) return
        if (connection.silentMs >= every) await connection.test(this.#options.notify)
      }
    })()
    try {
      await Promise.race([broken, tested])
    } finally {
      stop.abort()
    }
  }

  #publish(payload: string): void {
    const change = parseChange(payload)
    if (change !== undefined) for (const fn of this.#subscribers) this.#call(() => fn(change))
  }

  #call(fn: () => void): void {
    try {
      fn()
    } catch (error) {
      this.#logger.error({ err: error }, 'a subscriber failed')
    }
  }
}
