import type { DaemonError } from '../errors.ts'
import { backoff } from '../lifecycle/delay.ts'

const BASE_MS = 10_000
const CAP_MS = 10 * 60_000

/** A job that could not be started here the last time it was tried. */
export interface FailedJob {
  readonly jobId: string
  readonly taskLabel: string
  readonly error: DaemonError
  /** How often so far. */
  readonly tries: number
  /** How long it still rests here, ms; 0: the next waiting session gets another try. */
  readonly restMs: number
}

interface Failure {
  readonly taskLabel: string
  readonly error: DaemonError
  readonly count: number
  readonly until: number
}

/**
 * Jobs that failed here (clone broken, disk full, git error). They stay QUEUED for other machines and
 * wait out a growing, jittered time here; counted per job, so that one bad clone starves nothing else.
 */
export class JobBackoff {
  readonly #failures = new Map<string, Failure>()
  readonly #now: () => number

  constructor(now: () => number = () => performance.now()) {
    this.#now = now
  }

  /** Answers how long the job rests here, ms. */
  failed(jobId: string, taskLabel: string, error: DaemonError): number {
    const count = this.count(jobId) + 1
    // At least half of the step: full jitter could retry at once, which is the tight loop to avoid.
    const step = Math.min(CAP_MS, BASE_MS * 2 ** (count - 1))
    const wait = Math.round(step / 2) + backoff(0, step / 2, step / 2)
    this.#failures.set(jobId, { taskLabel, error, count, until: this.#now() + wait })
    return wait
  }

  succeeded(jobId: string): void {
    this.#failures.delete(jobId)
  }

  /** Jobs to leave alone now. */
  resting(): string[] {
    return this.failures()
      .filter(({ restMs }) => restMs > 0)
      .map(({ jobId }) => jobId)
  }

  /** What went wrong the last time, of jobs that rest or rested within the cap. */
  failures(): FailedJob[] {
    const now = this.#now()
    for (const [jobId, { until }] of this.#failures) {
      if (until < now - CAP_MS) this.#failures.delete(jobId)
    }
    return [...this.#failures].map(([jobId, { taskLabel, error, count, until }]) => ({
      ...{ jobId, taskLabel, error },
      tries: count,
      restMs: Math.max(0, until - now),
    }))
  }

  count(jobId: string): number {
    return this.#failures.get(jobId)?.count ?? 0
  }
}
