import { join } from 'node:path'
import { type Bench, times } from '../bench.ts'
import { ms, ratio } from '../figure.ts'
import { median, summarise } from '../samples.ts'
import { preparing } from '../world/course.ts'
import { repositoryOf } from '../world/filled-repository.ts'
import { withSpares } from '../world/with-spares.ts'

/** What a job of a large repository waits for, where a checkout takes a second or two. */
export const largeRepositoryBench: Bench = {
  name: 'large-repository',
  async run(world, sizes, cleanup) {
    const clone = await repositoryOf(20_000, join(world.dir, 'large'), 'large')
    const s = await withSpares(world, cleanup, [clone], times(sizes, 2, 1))
    const ready = preparing(s)
    return {
      figures: [
        ratio(
          'claim → worktree ready, 20,000 files, p50',
          ms('ours', median(ready)),
          ms('git worktree add', median(s.add)),
          0.2,
        ),
      ],
      series: {
        'claimed to answer, 20,000 files, ms': summarise(ready),
        'git worktree add, 20,000 files, ms': summarise(s.add),
      },
    }
  },
}
