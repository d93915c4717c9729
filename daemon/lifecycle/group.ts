import type { Service } from './service.ts'

/**
 * Starts services in order and stops them in reverse. A failed start stops what had started
 * and rethrows. Errors of stop never keep a later service from stopping.
 */
export class ServiceGroup {
  readonly #started: Service[] = []
  readonly #onStopError: (service: Service, error: unknown) => void
  #stopping: Promise<void> | undefined

  constructor(onStopError: (service: Service, error: unknown) => void) {
    this.#onStopError = onStopError
  }

  /** Starts one more service on top of the running ones. */
  async start(service: Service): Promise<void> {
    try {
      await service.start()
    } catch (error) {
      await this.stop()
      throw error
    }
    this.#started.push(service)
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#stopAll()
    return this.#stopping
  }

  async #stopAll(): Promise<void> {
    for (let service = this.#started.pop(); service !== undefined; service = this.#started.pop()) {
      try {
        await service.stop()
      } catch (error) {
        this.#onStopError(service, error)
      }
    }
  }
}
