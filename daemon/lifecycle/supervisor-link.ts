import type { Service } from './service.ts'
import type { Supervisor } from './supervisor.ts'

export interface SupervisorLinkOptions {
  readonly supervisor: Supervisor
  /** Whether the loops that matter have turned lately; false withholds the watchdog's food. */
  turning(): boolean
  /** One line of state; its failure only leaves the last one standing. */
  line(): Promise<string>
}

const TURN_MS = 2_000

/**
 * Tells the supervisor how the daemon is: ready once everything before it has started, its state while it
 * runs, and that its loops turn.
 */
export class SupervisorLink implements Service {
  readonly name = 'supervisor'
  readonly #options: SupervisorLinkOptions
  #timer: NodeJS.Timeout | undefined
  #asking = false

  constructor(options: SupervisorLinkOptions) {
    this.#options = options
  }

  async start(): Promise<void> {
    const { supervisor } = this.#options
    await supervisor.beginWatch()
    void supervisor.notifyReady()
    this.#timer = setInterval(() => this.#turn(), TURN_MS)
    this.#turn()
  }

  /** Stopping has its own time limit; no watchdog besides. */
  async stop(): Promise<void> {
    clearInterval(this.#timer)
    await this.#options.supervisor.endWatch()
  }

  #turn(): void {
    const { supervisor, turning, line } = this.#options
    if (turning()) supervisor.feedWatchdog()
    if (this.#asking) return
    this.#asking = true
    void line()
      .then((text) => supervisor.notifyStatus(text))
      .catch(() => undefined)
      .finally(() => {
        this.#asking = false
      })
  }
}
