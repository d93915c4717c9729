/** Longest delay that is drawn: some ten claim statements long, so that few of ten machines fall together, ms. */
const MAX_DELAY_MS = 100
/**
 * What a defeat adds to the longest delay, and what a victory takes from it, ms. Up to three equal machines
 * win often enough to stay at zero; of more, each loses so often that all go to the maximum.
 */
const DEFEAT_MS = 20
const VICTORY_MS = 40
/** Jobs whose outcome is still to be heard; older ones are forgotten. */
const MAX_TRIED = 64

export interface NudgesOptions {
  /** Somebody waits for a job here. */
  wanted(): boolean
  /** Whether a claimed job is held here; waits for a claim statement that runs, whose answer may come later. */
  isOurs(jobId: string): Promise<boolean>
  nudge(): void
  /** 0 to 1; tests decide. */
  readonly random?: () => number
}

/**
 * When this machine looks for a job that a notification told of. All machines of the user hear it and one
 * gets the job. A machine that is alone, or usually first, looks at once; one that was beaten lately draws a
 * delay of at most 100 ms first, and does not look at all when the job's claim by another is heard meanwhile.
 * So ten machines ask the database about twice for a job, not ten times. A poll stands behind all of this.
 */
export class Nudges {
  readonly #options: NudgesOptions
  readonly #drawn = new Map<string, NodeJS.Timeout>()
  readonly #tried = new Set<string>()
  /** Longest delay that may be drawn now, ms. */
  #spreadMs = 0

  constructor(options: NudgesOptions) {
    this.#options = options
  }

  /** A job was queued; `jobId` is undefined where the sender did not say which. */
  queued(jobId: string | undefined): void {
    if (!this.#options.wanted()) return
    const delayMs = (this.#options.random ?? Math.random)() * this.#spreadMs
    if (jobId === undefined || delayMs === 0) {
      this.#look(jobId)
      return
    }
    if (this.#drawn.has(jobId)) return
    const timer = setTimeout(() => {
      this.#drawn.delete(jobId)
      this.#look(jobId)
    }, delayMs)
    this.#drawn.set(jobId, timer)
  }

  /** A job was claimed, here or elsewhere. */
  async claimed(jobId: string): Promise<void> {
    const timer = this.#drawn.get(jobId)
    const competed = this.#tried.delete(jobId) || timer !== undefined
    clearTimeout(timer)
    this.#drawn.delete(jobId)
    if (!competed) return
    const isOurs = await this.#options.isOurs(jobId)
    this.#spreadMs = isOurs
      ? Math.max(0, this.#spreadMs - VICTORY_MS)
      : Math.min(MAX_DELAY_MS, this.#spreadMs + DEFEAT_MS)
  }

  stop(): void {
    for (const timer of this.#drawn.values()) clearTimeout(timer)
    this.#drawn.clear()
  }

  #look(jobId: string | undefined): void {
    if (jobId !== undefined) {
      this.#tried.add(jobId)
      for (const oldest of this.#tried) {
        if (this.#tried.size <= MAX_TRIED) break
        this.#tried.delete(oldest)
      }
    }
    this.#options.nudge()
  }
}
