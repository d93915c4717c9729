import type { Service } from './service.ts'
import type { Supervisor } from './supervisor.ts'

export interface SupervisorLinkOptions {
  readonly supervisor: Supervisor
  /** Where a stalled loop is marked, for `status`. */
  readonly markFile: string
  /** Whether the loops that matter have turned lately; false withholds the watchdog's food. */
  turning(): boolean
  /** One line of state; its failure only leaves the last one standing. */
  line(): Promise<string>
}

const TURN_MS = 500
const LINE_MS = 5_000

/**
 * Tells the supervisor how the daemon is: ready once everything before it has started, its state while it
 * runs, and that its loops turn.
 */
export class SupervisorLink implements Service {
  readonly name = 'supervisor'
  readonly #options: SupervisorLinkOptions
  readonly #timers: NodeJS.Timeout[] = []
  #asking = false

  constructor(options: SupervisorLinkOptions) {
    this.#options = options
  }

  async start(): Promise<void> {
    const { supervisor, turning, markFile } = this.#options
    await supervisor.beginWatch(markFile)
    void supervisor.notifyReady()
    const turn = () => {
      if (turning()) supervisor.feedWatchdog()
    }
    turn()
    this.#timers.push(setInterval(turn, TURN_MS))
    // Only systemd shows the line, and making it asks the database.
    if (supervisor.kind !== 'systemd') return
    this.#tell()
    this.#timers.push(setInterval(() => this.#tell(), LINE_MS))
  }

  /** Stopping has its own time limit; no watchdog besides. */
  async stop(): Promise<void> {
    for (const timer of this.#timers.splice(0)) clearInterval(timer)
    await this.#options.supervisor.endWatch()
  }

  #tell(): void {
    const { supervisor, line } = this.#options
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
