import { DaemonError, messageOf, toDaemonError } from '../errors.ts'
import { backoff, delay } from '../lifecycle/delay.ts'
import type { Service } from '../lifecycle/service.ts'
import type { Logger } from '../logger.ts'
import type { Caller } from './caller.ts'

/**
 * Whether the daemon may act on its database, and as whom.
 *
 *   connecting ── server, schema and token are in order ──▶ up
 *       ▲                                                     │ a heartbeat or call failed to reach it
 *       └──────────── every state but up keeps trying ◀───────┤ the heartbeat saw the token refused
 *
 *   connecting    the server does not answer yet, or not any more
 *   incomplete    it answers, but tables or columns are missing: nothing is claimed
 *   unauthorized  it answers, and the token is missing, unknown, revoked or expired
 *   up            calls are served
 *
 * Only this class moves it; a database that is away makes the daemon unhealthy, never dead.
 */
export type BackendState = 'connecting' | 'incomplete' | 'unauthorized' | 'up'

/** One try to get from a reachable or unreachable server to an authorized caller. */
export interface BackendSteps {
  /** Starts the embedded server if it does not run; resolves when the database answers. */
  reach(signal: AbortSignal): Promise<void>
  /** Migrates the embedded database, or names what a shared one lacks: then a DaemonError that stops here. */
  checkSchema(): Promise<DaemonError | null>
  /** The user behind the token, or why there is none. */
  authorize(): Promise<{ caller: Caller } | { refused: string }>
  /** What to do about a token that is refused. */
  readonly tokenRemedy: string
}

const RETRY_BASE_MS = 250
const RETRY_CAP_MS = 5_000
/** Up for so long, it is no relapse when it is lost: heartbeats go through where other connections are refused. */
const STEADY_MS = 10_000
/** A person must act first; looking every so often costs nothing. */
const REFUSED_RETRY_MS = 15_000

export class Backend implements Service {
  readonly name = 'backend'
  readonly #steps: BackendSteps
  readonly #logger: Logger
  readonly #abort = new AbortController()
  readonly #listeners = new Set<(state: BackendState) => void>()
  #state: BackendState = 'connecting'
  #caller: Caller | null = null
  #problem: DaemonError | null = null
  #loop: Promise<void> | null = null
  #everUp = false
  #upSince = 0
  /** Times it was lost again without a write that went through when it had been up for a while. */
  #relapses = 0

  constructor(steps: BackendSteps, logger: Logger) {
    this.#steps = steps
    this.#logger = logger
  }

  get state(): BackendState {
    return this.#state
  }

  /** Why it is not up; null while it is, or before the first try has ended. */
  get problem(): DaemonError | null {
    return this.#problem
  }

  /** ms it has been up; 0 while it is not. */
  get upMs(): number {
    return this.#state === 'up' ? performance.now() - this.#upSince : 0
  }

  get everUp(): boolean {
    return this.#everUp
  }

  /** Does not wait for the database: the daemon serves its socket without one. */
  async start(): Promise<void> {
    this.#ensureLoop()
  }

  async stop(): Promise<void> {
    this.#abort.abort()
    await this.#loop
  }

  onChange(listener: (state: BackendState) => void): void {
    this.#listeners.add(listener)
  }

  current(): Caller | null {
    return this.#state === 'up' ? this.#caller : null
  }

  /** The caller as soon as there is one; what only a person can mend is thrown at once. */
  async ready(timeoutMs: number): Promise<Caller> {
    const until = performance.now() + timeoutMs
    for (;;) {
      const caller = this.current()
      if (caller !== null) return caller
      const left = until - performance.now()
      if (
        this.#state === 'unauthorized' ||
        this.#state === 'incomplete' ||
        left <= 0 ||
        this.#abort.signal.aborted
      ) {
        throw this.#problem ?? notYet()
      }
      await this.#changed(left)
    }
  }

  /** A statement did not reach the database. */
  lost(error: unknown): void {
    if (this.#state !== 'up') return
    this.#relapses += 1
    this.#logger.warn({ err: messageOf(error) }, 'the database does not answer')
    this.#become('connecting', unreachable(error))
    this.#ensureLoop()
  }

  /** A heartbeat was taken: the database not only answers, it can be written. */
  proven(): void {
    if (this.upMs >= STEADY_MS) this.#relapses = 0
  }

  /** The heartbeat read that the token does not count any more. */
  refused(reason: string): void {
    if (this.#state !== 'up') return
    this.#logger.warn({ reason }, 'the API token is refused')
    this.#become('unauthorized', tokenRefused(reason, this.#steps.tokenRemedy))
    this.#ensureLoop()
  }

  #ensureLoop(): void {
    if (this.#abort.signal.aborted) return
    this.#loop ??= this.#run().finally(() => {
      this.#loop = null
      if (this.#state !== 'up') this.#ensureLoop()
    })
  }

  async #run(): Promise<void> {
    // One that answers and refuses every write (a standby) must not be tried without end or pause.
    if (this.#relapses > 1) {
      await delay(RETRY_BASE_MS + backoff(this.#relapses, RETRY_BASE_MS, RETRY_CAP_MS), this.#abort.signal)
    }
    for (let attempt = 0; !this.#abort.signal.aborted; attempt += 1) {
      try {
        await this.#steps.reach(this.#abort.signal)
        const incomplete = await this.#steps.checkSchema()
        if (incomplete !== null) this.#become('incomplete', incomplete)
        else {
          const result = await this.#steps.authorize()
          if ('caller' in result) {
            this.#caller = result.caller
            this.#everUp = true
            this.#upSince = performance.now()
            this.#become('up', null)
            return
          }
          this.#become('unauthorized', tokenRefused(result.refused, this.#steps.tokenRemedy))
        }
      } catch (error) {
        this.#become('connecting', unreachable(error))
      }
      const wait =
        this.#state === 'connecting' ? backoff(attempt, RETRY_BASE_MS, RETRY_CAP_MS) : REFUSED_RETRY_MS
      await delay(wait, this.#abort.signal)
    }
  }

  #become(state: BackendState, problem: DaemonError | null): void {
    const was = this.#state
    this.#problem = problem
    this.#state = state
    if (was === state) return
    if (state === 'up') this.#logger.info({}, 'the database answers')
    else if (problem !== null)
      this.#logger.warn(
        { code: problem.code, err: problem.message, remedy: problem.remedy },
        `database: ${state}`,
      )
    for (const listener of this.#listeners) listener(state)
  }

  #changed(timeoutMs: number): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer)
        this.#listeners.delete(done)
        this.#abort.signal.removeEventListener('abort', done)
        resolve()
      }
      const timer = setTimeout(done, timeoutMs)
      this.#listeners.add(done)
      this.#abort.signal.addEventListener('abort', done, { once: true })
    })
  }
}

function unreachable(error: unknown): DaemonError {
  if (error instanceof DaemonError) return error
  return new DaemonError(
    'DATABASE_UNAVAILABLE',
    `The database does not answer: ${toDaemonError(error).message}; nothing was changed`,
    'The daemon goes on trying to reach it; call again in a moment. `scrum4me-daemon doctor` tells what stands in the way.',
    error,
  )
}

function notYet(): DaemonError {
  return new DaemonError(
    'DATABASE_UNAVAILABLE',
    'The database has not answered yet; nothing was changed',
    'Call again in a moment; `scrum4me-daemon status` tells how it is.',
  )
}

function tokenRefused(reason: string, remedy: string): DaemonError {
  return new DaemonError(
    'UNAUTHORIZED',
    `The API token of this daemon is ${reason}; it is not present and claims nothing`,
    `${remedy}; the present one is taken up by itself when it becomes valid again.`,
  )
}
