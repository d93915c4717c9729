import { type Bench, times } from '../bench.ts'
import { count, type Figure, type Findings, ms, plain, ratio } from '../figure.ts'
import { type Summary, summarise } from '../samples.ts'
import { type Burst, Crowd, type Neighbours, type Storm } from '../world/crowd.ts'
import { stormFigures } from '../world/storm-figures.ts'

const FEW = 10
const MANY = 500
const REMOVALS = 100
/** Four small repositories that the jobs are spread over. */
const SMALL = [undefined, undefined, undefined, undefined]
/** How long the storm lasts at most, s: the run goes on with what it has seen by then. */
const LONGEST_STORM_S = 45
const LONGEST_BURST_MS = 120_000

/** Many sessions on one machine: who waits for whom, and whether the heart goes on beating. */
export const crowd: Bench = {
  name: 'crowd',
  async run(world, sizes, cleanup) {
    const few = await Crowd.make(world, cleanup, FEW, SMALL)
    const many = await Crowd.make(world, cleanup, times(sizes, MANY, FEW), SMALL)
    const s = { few: [] as number[], many: [] as number[] }
    // In turn, so that both meet the same weather; the first of each are not counted.
    for (let n = -2; n < times(sizes, 12, 5); n += 1) {
      const [a, b] = [await few.claim(), await many.claim()]
      if (n >= 0) {
        s.few.push(a)
        s.many.push(b)
      }
    }
    const neighbours = await many.neighbours(cleanup, times(sizes, 800, 200))
    const burst = await many.burst(LONGEST_BURST_MS)
    const storm = await many.storm(cleanup, Math.min(REMOVALS, many.sessions), LONGEST_STORM_S)
    return findings(many.sessions, s, neighbours, burst, storm)
  },
}

function findings(
  sessions: number,
  s: { few: number[]; many: number[] },
  neighbours: Neighbours,
  burst: Burst,
  storm: Storm,
): Findings {
  const [few, many] = [summarise(s.few), summarise(s.many)]
  const alone = summarise(neighbours.alone)
  const besideDeaf = summarise(neighbours.besideDeaf)
  const figures: Figure[] = [
    plain(
      `${sessions} sessions, a call of each at once: not answered`,
      count('ours', sessions - burst.answered),
      0,
    ),
    plain(
      `${sessions} sessions, as many jobs at once: not served`,
      count('ours', sessions - burst.served),
      0,
    ),
    ratio(
      `enqueue → claimed with ${sessions} waiting, p99`,
      ms('ours', many.p99),
      ms(`ours with ${FEW}`, few.p99),
      2,
    ),
    ratio('the same, p50', ms('ours', many.p50), ms(`ours with ${FEW}`, few.p50)),
    ratio(
      'call beside a session that reads nothing, p99',
      ms('ours', besideDeaf.p99),
      ms('without it', alone.p99),
      2,
    ),
    ...stormFigures('in the storm', storm),
  ]
  const series: Record<string, Summary> = {
    [`enqueue to claimed, ${FEW} sessions, ms`]: few,
    [`enqueue to claimed, ${sessions} sessions, ms`]: many,
    'call among many sessions, ms': alone,
    'call beside a session that reads nothing, ms': besideDeaf,
    [`from ${sessions} jobs queued to all of them in worktrees, s`]: summarise([burst.seconds]),
    'between two beats in the storm, s': summarise([...storm.gaps]),
  }
  return { figures, series }
}
