import type { Bench } from './bench.ts'
import { coldStart } from './figures/cold-start.ts'
import { crowd } from './figures/crowd.ts'
import { idle } from './figures/idle.ts'
import { largeRepositoryBench } from './figures/large-repository.ts'
import { pickup } from './figures/pickup.ts'
import { restart } from './figures/restart.ts'
import { roundTrip } from './figures/round-trip.ts'

/** In the order they run and are shown. */
export const allBenches: readonly Bench[] = [
  coldStart,
  roundTrip,
  pickup,
  largeRepositoryBench,
  idle,
  crowd,
  restart,
]
