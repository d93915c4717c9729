import { describe, test } from 'vitest'
import { ENDINGS } from './endings.ts'
import { runMatrix } from './run-matrix.ts'
import { share } from './share.ts'

const SHARES = [
  { ending: ENDINGS.reconcile, states: share() },
  { ending: ENDINGS.cleanup, states: share() },
  { ending: ENDINGS.cancelled, states: share(3) },
]

// The matrix is in two files, for two cores.
describe.each(SHARES)('$ending.name', ({ ending, states }) => {
  test(`${states.length} states come back exactly`, { timeout: 600_000 }, () => runMatrix(states, ending))
})
