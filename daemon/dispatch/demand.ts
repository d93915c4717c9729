import type { Service } from '../lifecycle/service.ts'

export interface DemandOptions {
  readonly mode: 'daemon' | 'sessions'
  /** A session is connected, a claim is held or a report is spooled. */
  needed(): boolean
  /** Called on every change, one after the other. */
  changed(wanted: boolean): Promise<void>
  /** Called every second while nobody wants it: closes what a passing question opened. */
  rest(): Promise<void>
}

const LOOK_EVERY_MS = 1_000

/**
 * Whether heartbeat, LISTEN and poll run now. With SCRUM4ME_PRESENCE=sessions they rest, and no
 * connection is open, while nobody needs them, so that a serverless database can sleep (contract 2).
 */
export class Demand implements Service {
  readonly name = 'demand'
  readonly #options: DemandOptions
  #wanted: boolean
  #since = performance.now()
  #timer: NodeJS.Timeout | undefined
  #last: Promise<void> = Promise.resolve()

  constructor(options: DemandOptions) {
    this.#options = options
    this.#wanted = options.mode === 'daemon' || options.needed()
  }

  get wanted(): boolean {
    return this.#wanted
  }

  /** ms; 0 while nobody wants it. */
  get wantedMs(): number {
    return this.#wanted ? performance.now() - this.#since : 0
  }

  async start(): Promise<void> {
    if (this.#wanted) await this.#options.changed(true)
    if (this.#options.mode === 'daemon') return
    this.#timer = setInterval(() => this.look(), LOOK_EVERY_MS)
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer)
    await this.#last
  }

  /** Looks now, so that the first session does not wait for the next tick. */
  look(): void {
    if (this.#options.mode === 'daemon') return
    const wanted = this.#options.needed()
    if (wanted === this.#wanted) {
      if (!wanted) this.#options.rest().catch(() => undefined)
      return
    }
    this.#wanted = wanted
    this.#since = performance.now()
    this.#last = this.#last.then(() => this.#options.changed(wanted)).catch(() => undefined)
  }
}
