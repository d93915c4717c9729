import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { PgBoss } from 'pg-boss'
import { type Bench, times } from '../bench.ts'
import { type Figure, type Findings, ms, ratio } from '../figure.ts'
import { QueueProgram } from '../rivals/queue-program.ts'
import { median, type Summary, summarise } from '../samples.ts'
import type { Cleanup } from '../world/cleanup.ts'
import { Course, type CourseSeries, preparing, REST_MS } from '../world/course.ts'
import { repositoryOf } from '../world/filled-repository.ts'
import { Noise } from '../world/noise.ts'
import { withSpares } from '../world/with-spares.ts'
import type { World } from '../world/world.ts'

const NOISE_PER_SECOND = 200
/** Cycles in quiet, then as many under noise, in turn: both meet the same weather. */
const BLOCK = 20

/** Of a small repository, 1.8 MB. */
const SMALL_FILES = 300
const SMALL = `small repository, ${SMALL_FILES} files,`
const CLONES = 4

const SERIES = ['raw', 'graphile', 'pgBoss', 'add', 'fetch', 'claimed', 'answered', 'noisy'] as const
type Series = Record<(typeof SERIES)[number], number[]>

/** From a job's row to whoever does it: the claim, then the answer with a worktree of a small repository. */
export const pickup: Bench = {
  name: 'pickup',
  async run(world, sizes, cleanup) {
    const rivals = await startRivals(world, cleanup)
    const plain = await Course.make(world, cleanup, { SCRUM4ME_SPARE_WORKTREES: 'off' }, 1)
    const s = await cycles(plain, rivals, times(sizes, 60))
    await plain.close()
    const rounds = times(sizes, 4, 1)
    const oneFile = await withSpares(world, cleanup, CLONES, rounds)
    const small: string[] = []
    for (let n = 0; n < CLONES; n += 1)
      small.push(await repositoryOf(SMALL_FILES, join(world.dir, 'small'), `small-${n}`))
    return findings(s, oneFile, await withSpares(world, cleanup, small, rounds))
  },
}

async function cycles(course: Course, rivals: Rivals, count: number): Promise<Series> {
  const s: Series = {
    raw: [],
    graphile: [],
    pgBoss: [],
    add: [],
    fetch: [],
    claimed: [],
    answered: [],
    noisy: [],
  }
  for (let cycle = 0; cycle < count; ) {
    for (let n = 0; n < BLOCK && cycle < count; n += 1, cycle += 1) {
      s.raw.push(await rivals.raw())
      await sleep(REST_MS)
      s.graphile.push(await rivals.graphile())
      await sleep(REST_MS)
      if (cycle % 4 === 0) s.pgBoss.push(await rivals.pgBoss())
      if (cycle % 2 === 0) {
        s.add.push(await course.bareAdd())
        s.fetch.push(await course.bareFetch())
      }
      const { claimed, answered } = await course.job()
      s.claimed.push(claimed)
      s.answered.push(answered)
    }
    const noise = await Noise.start(course.tenant.url, NOISE_PER_SECOND)
    for (let n = 0; n < Math.min(BLOCK, count); n += 1) s.noisy.push((await course.job()).claimed)
    await noise.stop()
  }
  return s
}

function findings(s: Series, oneFile: CourseSeries, small: CourseSeries): Findings {
  const series: Record<string, Summary> = {
    'raw insert + NOTIFY + SKIP LOCKED claim, ms': summarise(s.raw),
    'graphile-worker enqueue to start, ms': summarise(s.graphile),
    'pg-boss enqueue to start, ms': summarise(s.pgBoss),
    'bare git worktree add, ms': summarise(s.add),
    'bare git fetch of nothing new, ms': summarise(s.fetch),
    'enqueue to claimed, ms': summarise(s.claimed),
    'enqueue to claimed under noise, ms': summarise(s.noisy),
    'enqueue to answer, ms': summarise(s.answered),
    ...spareSummaries('one file,', oneFile),
    ...spareSummaries(SMALL, small),
  }
  const claimed = summarise(s.claimed)
  const graphile = summarise(s.graphile)
  const figures: Figure[] = [
    ratio('enqueue → claimed, p50', ms('ours', claimed.p50), ms('graphile-worker', graphile.p50), 1.25),
    ratio('the same, p99', ms('ours', claimed.p99), ms('graphile-worker', graphile.p99), 1.5),
    ratio('the same, p50', ms('ours', claimed.p50), ms('raw pg claim', median(s.raw))),
    ratio('the same, p50', ms('ours', claimed.p50), ms('pg-boss with LISTEN', median(s.pgBoss))),
    ratio(
      `under ${NOISE_PER_SECOND} unrelated notifications/s, p50`,
      ms('ours', median(s.noisy)),
      ms('ours in quiet', claimed.p50),
      1.2,
    ),
    ...answer('claimed → answer, one file, p50', s, 2),
    ...answer('the same with a spare ready, p50', oneFile, 1),
    ...answer(`${SMALL} with a spare ready, p50`, small, 1),
  ]
  return { figures, series }
}

function spareSummaries(repository: string, series: CourseSeries): Record<string, Summary> {
  return {
    [`enqueue to claimed (${repository} spare ready), ms`]: summarise(series.claimed),
    [`enqueue to answer (${repository} spare ready), ms`]: summarise(series.answered),
    [`bare git worktree add (${repository} spare ready), ms`]: summarise(series.add),
  }
}

function answer(
  title: string,
  s: Pick<CourseSeries, 'claimed' | 'answered' | 'add' | 'fetch'>,
  target: number,
): Figure[] {
  const [ours, add, fetch] = [median(preparing(s)), median(s.add), median(s.fetch)]
  return [
    ratio(title, ms('ours', ours), ms('bare git worktree add', add), target),
    // The contract wants a fetch after the claim; what it takes by itself cannot be got under.
    ratio(
      '  without its git fetch',
      ms('ours less a bare fetch', ours - fetch),
      ms('bare git worktree add', add),
    ),
  ]
}

type Rivals = Record<'raw' | 'graphile' | 'pgBoss', () => Promise<number>>

async function startRivals(world: World, cleanup: Cleanup): Promise<Rivals> {
  const { url, pool } = await world.tenant()
  await pool.query('create table bench_raw (id serial primary key, claimed boolean not null default false)')
  await pool.query('create index on bench_raw (id) where not claimed')
  const worker = async (name: string) =>
    cleanup.own(await QueueProgram.start(name, url), (made) => made.stop())
  const raw = await worker('raw-claimer')
  const graphile = await worker('graphile-worker')
  const pgBoss = await worker('pg-boss')
  const client = cleanup.own(new pg.Client({ connectionString: url }), (made) => made.end())
  await client.connect()
  const boss = new PgBoss({ connectionString: url, supervise: false, schedule: false })
  cleanup.own(boss, (made) => made.stop({ graceful: false }))
  await boss.start()
  const enqueueRaw = {
    name: 'raw',
    text: "with j as (insert into bench_raw default values returning id) select pg_notify('bench_raw', id::text) from j",
  }
  const enqueueGraphile = {
    name: 'graphile',
    text: "select id from graphile_worker.add_job('bench', '{}'::json)",
  }
  return {
    raw: () => raw.pickup(() => client.query(enqueueRaw)),
    graphile: () => graphile.pickup(() => client.query(enqueueGraphile)),
    pgBoss: () => pgBoss.pickup(() => boss.send('bench', {})),
  }
}
