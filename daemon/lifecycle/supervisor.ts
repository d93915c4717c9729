import { execFile } from 'node:child_process'
import { DETACHED_VARIABLE } from './detached.ts'
import { StallWatchdog } from './stall-watchdog.ts'

export type SupervisorKind = 'systemd' | 'launchd' | 'none'

const NOTIFY_DEADLINE_MS = 5_000
/** A loop that has not turned for this long will not turn again, where nobody else says so, ms. */
const STALL_MS = 30_000
/** Contract 1: without a hello for this long a daemon counts as not answering. */
const MARK_MS = 2_000

/**
 * What started this process and expects to hear from it. Under systemd: readiness, one line of state and
 * the watchdog; elsewhere a watchdog of our own. `feedWatchdog` must follow from real progress only, and
 * never from "the database answers": an outage must not become a restart loop.
 */
export class Supervisor {
  readonly kind: SupervisorKind
  readonly #socket: string | undefined
  readonly #path: string
  readonly #feedEveryMs: number | undefined
  readonly #isDetached: boolean
  readonly #now: () => number
  #lastFeed = Number.NEGATIVE_INFINITY
  #lastStatus = ''
  #watchdog: StallWatchdog | undefined
  #queue: Promise<void> = Promise.resolve()

  /** Takes what concerns the supervisor out of `env`, so that no child ever sees it. */
  constructor(env: NodeJS.ProcessEnv, now: () => number = () => performance.now()) {
    this.#socket = env.NOTIFY_SOCKET || undefined
    this.#path = env.PATH ?? '/usr/bin:/bin'
    this.#now = now
    const isLaunchd = (env.XPC_SERVICE_NAME ?? '').startsWith('com.scrum4me.')
    this.kind = this.#socket !== undefined ? 'systemd' : isLaunchd ? 'launchd' : 'none'
    const limitMs = Number(env.WATCHDOG_USEC) / 1000
    const isWatched = this.#socket !== undefined && limitMs > 0
    this.#feedEveryMs = isWatched ? limitMs / 3 : undefined
    this.#isDetached = env[DETACHED_VARIABLE] === '1'
    for (const name of Object.keys(env)) {
      if (/^(NOTIFY_SOCKET|WATCHDOG_|LISTEN_)/.test(name) || name === DETACHED_VARIABLE) delete env[name]
    }
  }

  /** Calls are answered from now on. */
  notifyReady(): Promise<void> {
    return this.#notify('READY=1')
  }

  /** One line of state, as `systemctl status` shows it. */
  notifyStatus(text: string): Promise<void> {
    const line = text.replace(/\s+/g, ' ').slice(0, 200)
    if (line === this.#lastStatus) return this.#queue
    this.#lastStatus = line
    return this.#notify(`STATUS=${line}`)
  }

  notifyStopping(): Promise<void> {
    return this.#notify('STOPPING=1')
  }

  /**
   * From now on a loop that does not turn is marked in `markFile`, and ended where no supervisor does that.
   * Before this and after `endWatch`, no stall is a fault.
   */
  async beginWatch(markFile: string): Promise<void> {
    this.#watchdog = new StallWatchdog({
      stallMs: this.#feedEveryMs === undefined ? STALL_MS : null,
      respawn: this.#isDetached,
      markFile,
      markMs: MARK_MS,
    })
    await this.#watchdog.start()
  }

  async endWatch(): Promise<void> {
    await this.#watchdog?.stop()
  }

  /** "The loops turn." Cheap, to be called at every turn; what goes out is a third of the limit apart. */
  feedWatchdog(): void {
    this.#watchdog?.feed()
    if (this.#feedEveryMs === undefined || this.#now() - this.#lastFeed < this.#feedEveryMs) return
    this.#lastFeed = this.#now()
    void this.#notify('WATCHDOG=1')
  }

  /** In order, one at a time; a supervisor that cannot be reached is no reason to fail. */
  #notify(message: string): Promise<void> {
    const socket = this.#socket
    if (socket === undefined) return Promise.resolve()
    this.#queue = this.#queue.then(() => send(socket, this.#path, message))
    return this.#queue
  }
}

/** Node's dgram cannot reach the socket, the binary can (about 4 ms). */
function send(socket: string, path: string, message: string): Promise<void> {
  const env = { NOTIFY_SOCKET: socket, PATH: path }
  return new Promise((resolve) => {
    execFile('systemd-notify', ['--', message], { env, timeout: NOTIFY_DEADLINE_MS }, () => resolve())
  })
}
