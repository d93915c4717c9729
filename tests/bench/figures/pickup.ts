import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { PgBoss } from 'pg-boss'
import type { Agent } from '../../support/agent.ts'
import { type Bench, times } from '../bench.ts'
import { type Figure, type Findings, ms, ratio } from '../figure.ts'
import { QueueProgram } from '../rivals/queue-program.ts'
import { summarise } from '../samples.ts'
import { bareWorktreeAdd } from '../world/bare-git.ts'
import { ClaimWatch } from '../world/claim-watch.ts'
import { Cleanup } from '../world/cleanup.ts'
import { sharedNow } from '../world/clock.ts'
import { type Clone, Machine } from '../world/machine.ts'
import { Noise } from '../world/noise.ts'
import type { Tenant } from '../world/tenant.ts'
import type { World } from '../world/world.ts'

/** Long enough for everything that a cycle began to come to rest, ms. */
const REST_MS = 25
const NOISE_PER_SECOND = 200
/** Cycles in quiet, then as many under noise, in turn: both meet the same weather. */
const BLOCK = 20

/** From a job's row to whoever does it: the claim, then the answer with a worktree of a small repository. */
export const pickup: Bench = {
  name: 'pickup',
  async run(world, sizes) {
    const cleanup = new Cleanup()
    try {
      const rivals = await startRivals(world, cleanup)
      const plain = await Course.make(world, cleanup, { SCRUM4ME_SPARE_WORKTREES: 'off' }, 1)
      const cycles = times(sizes, 120)
      const at = { raw: [], graphile: [], pgBoss: [], add: [], claimed: [], answered: [], noisy: [] }
      const s: Record<keyof typeof at, number[]> = at
      for (let cycle = 0; cycle < cycles; ) {
        for (let n = 0; n < BLOCK && cycle < cycles; n += 1, cycle += 1) {
          s.raw.push(await rivals.raw())
          await sleep(REST_MS)
          s.graphile.push(await rivals.graphile())
          await sleep(REST_MS)
          if (cycle % 4 === 0) s.pgBoss.push(await rivals.pgBoss())
          if (cycle % 2 === 0) s.add.push(await plain.bareAdd())
          const { claimed, answered } = await plain.job()
          s.claimed.push(claimed)
          s.answered.push(answered)
        }
        const noise = await Noise.start(plain.tenant.url, NOISE_PER_SECOND)
        for (let n = 0; n < Math.min(BLOCK, cycles); n += 1) s.noisy.push((await plain.job()).claimed)
        await noise.stop()
      }
      await plain.close()
      const spare = await withSpares(world, cleanup, times(sizes, 6, 1))
      return findings(s, spare)
    } finally {
      await cleanup.run()
    }
  },
}

type Series = Record<'raw' | 'graphile' | 'pgBoss' | 'add' | 'claimed' | 'answered' | 'noisy', number[]>
type SpareSeries = Record<'claimed' | 'answered' | 'add', number[]>

function findings(s: Series, spare: SpareSeries): Findings {
  const series = Object.fromEntries(
    Object.entries({
      'raw insert + NOTIFY + SKIP LOCKED claim, ms': s.raw,
      'graphile-worker enqueue to start, ms': s.graphile,
      'pg-boss enqueue to start, ms': s.pgBoss,
      'bare git worktree add, ms': s.add,
      'enqueue to claimed, ms': s.claimed,
      'enqueue to claimed under noise, ms': s.noisy,
      'enqueue to answer, ms': s.answered,
      'enqueue to answer, spare ready, ms': spare.answered,
      'enqueue to claimed, spare ready, ms': spare.claimed,
      'bare git worktree add (spare), ms': spare.add,
    }).map(([name, samples]) => [name, summarise(samples)]),
  )
  const [raw, graphile, pgBoss, claimed, noisy] = [s.raw, s.graphile, s.pgBoss, s.claimed, s.noisy].map(
    summarise,
  )
  if (!raw || !graphile || !pgBoss || !claimed || !noisy) throw new Error('no samples')
  const figures: Figure[] = [
    ratio('enqueue → claimed, p50', ms('ours', claimed.p50), ms('graphile-worker', graphile.p50), 1.25),
    ratio('enqueue → claimed, p99', ms('ours', claimed.p99), ms('graphile-worker', graphile.p99), 1.5),
    ratio('the same', ms('ours, p50', claimed.p50), ms('raw pg claim, p50', raw.p50)),
    ratio('the same', ms('ours, p50', claimed.p50), ms('pg-boss with LISTEN, p50', pgBoss.p50)),
    ratio(
      `under ${NOISE_PER_SECOND} unrelated notifications a second`,
      ms('p50', noisy.p50),
      ms('p50 in quiet', claimed.p50),
      1.2,
    ),
    answer('claimed → answer, small repository', s, 2),
    answer('the same with a spare worktree ready', spare, 1),
  ]
  return { figures, series }
}

function answer(title: string, s: SpareSeries, target: number): Figure {
  const preparing = s.answered.map((answered, index) => answered - (s.claimed[index] ?? 0))
  return ratio(
    title,
    ms('p50', summarise(preparing).p50),
    ms('bare git worktree add', summarise(s.add).p50),
    target,
  )
}

async function startRivals(world: World, cleanup: Cleanup) {
  const { url, pool } = await world.tenant()
  await pool.query('create table bench_raw (id serial primary key, claimed boolean not null default false)')
  await pool.query('create index on bench_raw (id) where not claimed')
  const worker = async (name: string) =>
    cleanup.own(await QueueProgram.start(name, url), (made) => made.stop())
  const [raw, graphile, pgBoss] = [
    await worker('raw-claimer'),
    await worker('graphile-worker'),
    await worker('pg-boss'),
  ]
  const client = cleanup.own(new pg.Client({ connectionString: url }), (made) => made.end())
  await client.connect()
  const boss = cleanup.own(new PgBoss({ connectionString: url, supervise: false, schedule: false }), (made) =>
    made.stop({ graceful: false }),
  )
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

/** An agent that takes jobs one after the other, on a machine with some products. */
class Course {
  readonly machine: Machine
  readonly tenant: Tenant
  readonly clones: readonly Clone[]
  readonly #agent: Agent
  readonly #watch: ClaimWatch
  #turn = 0

  private constructor(machine: Machine, clones: readonly Clone[], agent: Agent, watch: ClaimWatch) {
    this.machine = machine
    this.tenant = machine.tenant
    this.clones = clones
    this.#agent = agent
    this.#watch = watch
  }

  static async make(world: World, cleanup: Cleanup, env: Record<string, string>, products: number) {
    const tenant = await world.tenant()
    const machine = cleanup.own(await Machine.make(tenant, env), (made) => made.remove())
    const clones: Clone[] = []
    for (let n = 0; n < products; n += 1) clones.push(await machine.product())
    await machine.start()
    const watch = cleanup.own(await ClaimWatch.start(tenant.url), (made) => made.stop())
    const course = new Course(machine, clones, await machine.installation.agent(), watch)
    // The first one prepares statements and wakes what sleeps, here as with the rivals.
    await course.job()
    return course
  }

  /** ms from the enqueue to the claim and to the answer; products take turns. */
  async job(): Promise<{ claimed: number; answered: number }> {
    const { productId } = this.#next()
    const waiting = this.machine.wait(this.#agent)
    await sleep(REST_MS)
    const from = sharedNow()
    const { jobId } = await this.tenant.enqueue(productId, this.#watch.client)
    const claimed = this.#watch.claimed(jobId)
    const job = await waiting
    const answered = sharedNow()
    if (job.job_id !== jobId) throw new Error(`expected job ${jobId}, got ${String(job.job_id)}`)
    await this.#agent.call('update_job_status', { job_id: jobId, status: 'skipped' })
    await sleep(REST_MS)
    return { claimed: (await claimed) - from, answered: answered - from }
  }

  bareAdd(): Promise<number> {
    return bareWorktreeAdd(this.#next().clone, this.machine.installation.dir)
  }

  /** Ends the daemon, so that it does not stand in the way of what follows. */
  async close(): Promise<void> {
    await this.#agent.close()
    await this.machine.installation.end()
  }

  #next(): Clone {
    const clone = this.clones[this.#turn % this.clones.length]
    if (clone === undefined) throw new Error('no product')
    this.#turn += 1
    return clone
  }
}

/** As many spares as a machine keeps, all ready before each round. */
async function withSpares(world: World, cleanup: Cleanup, rounds: number): Promise<SpareSeries> {
  const s: SpareSeries = { claimed: [], answered: [], add: [] }
  const course = await Course.make(world, cleanup, {}, 4)
  for (const _ of course.clones.slice(1)) await course.job()
  for (let round = 0; round < rounds; round += 1) {
    await course.machine.spares(course.clones)
    for (const _ of course.clones) {
      s.add.push(await course.bareAdd())
    }
    await sleep(REST_MS)
    for (const _ of course.clones) {
      const { claimed, answered } = await course.job()
      s.claimed.push(claimed)
      s.answered.push(answered)
    }
  }
  await course.close()
  return s
}
