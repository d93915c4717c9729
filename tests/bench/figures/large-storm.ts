import { join } from 'node:path'
import { type Bench, times } from '../bench.ts'
import { count, plain } from '../figure.ts'
import { summarise } from '../samples.ts'
import { Crowd } from '../world/crowd.ts'
import { repositoryOf } from '../world/filled-repository.ts'
import { stormFigures } from '../world/storm-figures.ts'

const SESSIONS = 100
/** A checkout each, and the deleting of it, one after the other on a slow disk. */
const LONGEST_BURST_MS = 900_000
const LONGEST_STORM_S = 900

/** A hundred worktrees of 20,000 files made, and removed all at once while git collects their one clone. */
export const largeStorm: Bench = {
  name: 'large-storm',
  async run(world, sizes, cleanup) {
    const clone = await repositoryOf(20_000, join(world.dir, 'large-storm'), 'large')
    const crowd = await Crowd.make(world, cleanup, times(sizes, SESSIONS, 5), [clone])
    const { served, seconds } = await crowd.burst(LONGEST_BURST_MS)
    const storm = await crowd.storm(cleanup, crowd.sessions, LONGEST_STORM_S)
    return {
      figures: [
        plain(
          `${crowd.sessions} jobs of one clone at once: not served`,
          count('ours', crowd.sessions - served),
          0,
        ),
        plain('  worktrees not removed by the end', count('ours', crowd.sessions - storm.removed), 0),
        ...stormFigures('while 20,000 files go a hundred times', storm),
      ],
      series: {
        'from 100 jobs queued to all of them in worktrees, s': summarise([seconds]),
        'between two beats while 20,000 files go a hundred times, s': summarise([...storm.gaps]),
      },
    }
  },
}
