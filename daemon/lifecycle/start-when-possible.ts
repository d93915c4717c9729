import { type DaemonError, toDaemonError } from '../errors.ts'
import { delay } from './delay.ts'
import type { Service } from './service.ts'

const RETRY_MS = 15_000

/**
 * A service whose failure to start is a fault to report, not a reason to end: it is tried again until it
 * starts. For what a person can mend while the daemon runs (a directory that is not writable).
 */
export class StartWhenPossible implements Service {
  readonly name: string
  readonly #service: Service
  readonly #abort = new AbortController()
  #fault: DaemonError | null = null
  #retrying: Promise<void> = Promise.resolve()
  #stopping: Promise<void> | undefined

  constructor(service: Service) {
    this.#service = service
    this.name = service.name
  }

  /** Why it does not run yet; null once it does. */
  get fault(): DaemonError | null {
    return this.#fault
  }

  async start(): Promise<void> {
    if (!(await this.#try())) this.#retrying = this.#retry()
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#stop()
    return this.#stopping
  }

  async #stop(): Promise<void> {
    this.#abort.abort()
    await this.#retrying
    await this.#service.stop()
  }

  async #retry(): Promise<void> {
    for (;;) {
      await delay(RETRY_MS, this.#abort.signal)
      if (this.#abort.signal.aborted || (await this.#try())) return
    }
  }

  async #try(): Promise<boolean> {
    try {
      await this.#service.start()
      this.#fault = null
      return true
    } catch (error) {
      this.#fault = toDaemonError(error)
      return false
    }
  }
}
