import { describe, test } from 'vitest'
import { ENDINGS } from './endings.ts'
import { runMatrix } from './run-matrix.ts'
import { share } from './share.ts'

const SHARES = [
  { ending: ENDINGS.done, states: share() },
  { ending: ENDINGS.failed, states: share(0) },
  { ending: ENDINGS.skipped, states: share(1) },
  { ending: ENDINGS.released, states: share(2) },
]

// The matrix is in two files, for two cores.
describe.each(SHARES)('$ending.name', ({ ending, states }) => {
  test(`${states.length} states come back exactly`, { timeout: 600_000 }, () => runMatrix(states, ending))
})
