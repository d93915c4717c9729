import type { Circumstances } from './circumstances.ts'
import type { Findings } from './figure.ts'

/** What `--json` prints and `results/` keeps. */
export interface Report {
  readonly circumstances: Circumstances
  /** 1: all repetitions; less: a trial run whose percentiles say little. */
  readonly scale: number
  readonly seconds: number
  readonly benches: readonly BenchReport[]
}

export interface BenchReport extends Findings {
  readonly name: string
  readonly seconds: number
  /** Why there are no figures. */
  readonly failed?: string
}
