import { backoff } from '../lifecycle/delay.ts'

const BASE_MS = 10_000
const CAP_MS = 10 * 60_000

/**
 * Jobs that failed here (clone broken, disk full, git error). They stay QUEUED for other machines and
 * wait out a growing, jittered time here; counted per job, so that one bad clone starves nothing else.
 */
export class JobBackoff {
  readonly #failures = new Map<string, { count: number; until: number }>()
  readonly #now: () => number

  constructor(now: () => number = () => performance.now()) {
    this.#now = now
  }

  /** Answers how long the job rests here, ms. */
  failed(jobId: string): number {
    const count = (this.#failures.get(jobId)?.count ?? 0) + 1
    // At least half of the step: full jitter could retry at once, which is the tight loop to avoid.
    const step = Math.min(CAP_MS, BASE_MS * 2 ** (count - 1))
    const wait = Math.round(step / 2) + backoff(0, step / 2, step / 2)
    this.#failures.set(jobId, { count, until: this.#now() + wait })
    return wait
  }

  succeeded(jobId: string): void {
    this.#failures.delete(jobId)
  }

  /** Jobs to leave alone now. */
  resting(): string[] {
    const now = this.#now()
    for (const [jobId, failure] of this.#failures) {
      if (failure.until < now - CAP_MS) this.#failures.delete(jobId)
    }
    return [...this.#failures].filter(([, failure]) => failure.until > now).map(([jobId]) => jobId)
  }

  count(jobId: string): number {
    return this.#failures.get(jobId)?.count ?? 0
  }
}
