import { setTimeout as sleep } from 'node:timers/promises'
import type pg from 'pg'
import { newId } from '../../../daemon/db/new-id.ts'
import { summarise } from '../samples.ts'
import { sharedNow } from '../world/clock.ts'
import type { Member } from './population.ts'
import type { Cost, ServerCost } from './server-cost.ts'
import type { SimulatedMachine, Tally } from './simulated-machine.ts'

const HEARTBEAT_MS = 5_000
const SETTLED_MS = 60_000
/** Work of a simulated job, ms: long enough that its machine beats with a lease. */
const WORK_MS = 8_000

export interface Piece {
  readonly cpu: number
  readonly wal: number
}

/** What a fleet does in a day, in a minute. */
export class Life {
  readonly #machines: readonly SimulatedMachine[]
  readonly #members: readonly Member[]
  readonly #pool: pg.Pool
  readonly #tally: Tally
  #turn = 0

  constructor(
    machines: readonly SimulatedMachine[],
    members: readonly Member[],
    pool: pg.Pool,
    tally: Tally,
  ) {
    this.#machines = machines
    this.#members = members
    this.#pool = pool
    this.#tally = tally
  }

  everyBeat(): Promise<void> {
    return each(this.#machines, (machine) => machine.beat())
  }

  /** Queues jobs until this share of the machines holds one. */
  async hold(share: number): Promise<void> {
    const wanted = Math.round(this.#machines.length * share)
    const jobs: string[] = []
    while (jobs.length < wanted) jobs.push(await this.#enqueue())
    await this.#claimed(jobs)
  }

  finishAll(): Promise<void> {
    return each(this.#machines, (machine) => machine.finish())
  }

  /** How often a machine asks depends on how it fared before: some jobs for each user. */
  async acquaint(jobsEach: number): Promise<void> {
    for (let n = 0; n < jobsEach; n += 1) {
      const jobs: string[] = []
      while (jobs.length < this.#members.length) jobs.push(await this.#enqueue())
      await this.#claimed(jobs)
      await each(this.#machines, (machine) => machine.settled())
      await this.finishAll()
    }
  }

  /** One job after the other, each from its enqueue to its report, so that all of its cost is its own. */
  async oneByOne(count: number): Promise<{ attempts: number; pickup: number[] }> {
    const before = this.#tally.claims
    const pickup: number[] = []
    for (let n = 0; n < count; n += 1) {
      const from = sharedNow()
      const jobId = await this.#enqueue()
      await this.#claimed([jobId])
      pickup.push((this.#tally.claimed.get(jobId) ?? from) - from)
      await each(this.#machines, (machine) => machine.settled())
      await this.finishAll()
    }
    return { attempts: (this.#tally.claims - before) / count, pickup }
  }

  /** Every machine beats at the contract's pace, and jobs come and go, for a while. */
  async watch(cost: ServerCost, seconds: number, jobsASecond: number) {
    this.#tally.beats.length = 0
    const claims = this.#tally.claims
    const queuedAt = new Map<string, number>()
    let over = false
    const hearts = this.#machines.map(async (machine, index) => {
      // Spread over the interval, as machines are that started at their own times.
      await sleep((index / this.#machines.length) * HEARTBEAT_MS)
      while (!over) {
        const next = performance.now() + HEARTBEAT_MS
        await machine.beat()
        await sleep(Math.max(0, next - performance.now()))
      }
    })
    const work = (async () => {
      const start = performance.now()
      for (let n = 1; !over; n += 1) {
        const from = sharedNow()
        const jobId = await this.#enqueue()
        queuedAt.set(jobId, from)
        void sleep(WORK_MS).then(() => (over ? undefined : this.#finish(jobId)))
        await sleep(Math.max(0, start + (n * 1000) / jobsASecond - performance.now()))
      }
    })()
    // Until every heart beats.
    await sleep(HEARTBEAT_MS)
    const beatsBefore = this.#tally.beats.length
    const spent = await cost.of(() => sleep(seconds * 1000))
    const beats = this.#tally.beats.slice(beatsBefore)
    over = true
    await Promise.all([work, ...hearts])
    await this.#claimed([...queuedAt.keys()])
    const pickup = [...queuedAt].map(([jobId, from]) => (this.#tally.claimed.get(jobId) ?? from) - from)
    const attempts = (this.#tally.claims - claims) / queuedAt.size
    await this.finishAll()
    return {
      spent,
      attempts,
      beatsASecond: beats.length / spent.seconds,
      beat: summarise(beats),
      pickup: summarise(pickup),
    }
  }

  /** One job for every machine, all queued at once: how many claims a second the server gives. */
  async storm(cost: ServerCost): Promise<{ spent: Cost; claimsASecond: number; attempts: number }> {
    const before = this.#tally.claims
    let jobs: string[] = []
    const spent = await cost.of(async () => {
      jobs = await this.#enqueueAll()
      // One nudge gets one job; a machine with more waiting sessions asks again, as the claim loop does.
      while (!this.#areClaimed(jobs)) {
        for (const machine of this.#machines) machine.nudge()
        await each(this.#machines, (machine) => machine.settled())
      }
    })
    const attempts = (this.#tally.claims - before) / jobs.length
    await this.finishAll()
    return { spent, claimsASecond: jobs.length / spent.seconds, attempts }
  }

  /** Cost of one piece when `count` of them are done. */
  async perPiece(cost: ServerCost, work: () => Promise<unknown>, count: number): Promise<Piece> {
    const { cpu, wal } = await cost.of(work)
    return { cpu: (cpu ?? 0) / count, wal: wal / count }
  }

  async #finish(jobId: string): Promise<void> {
    for (const machine of this.#machines) if (machine.has(jobId)) await machine.finish()
  }

  /** For each user in turn. */
  async #enqueue(): Promise<string> {
    const member = this.#members[this.#turn % this.#members.length]
    this.#turn += 1
    if (member === undefined) throw new Error('no user')
    const jobId = newId()
    await this.#pool.query({
      name: 'fleet-enqueue',
      text: `with j as (
               insert into claude_jobs (id, user_id, product_id, task_id, updated_at)
               values ($1, $2, $3, $4, now() at time zone 'utc') returning id, user_id, product_id)
             select pg_notify('scrum4me_changes', json_build_object('type', 'claude_job_enqueued',
               'user_id', user_id, 'product_id', product_id, 'job_id', id)::text) from j`,
      values: [jobId, member.userId, member.productId, member.taskId],
    })
    return jobId
  }

  async #enqueueAll(): Promise<string[]> {
    const jobs = this.#members.flatMap((member) => member.tokenIds.map(() => ({ member, id: newId() })))
    await this.#pool.query(
      `insert into claude_jobs (id, user_id, product_id, task_id, updated_at)
       select id, u, p, t, now() at time zone 'utc'
         from unnest($1::text[], $2::text[], $3::text[], $4::text[]) x(id, u, p, t)`,
      [
        jobs.map(({ id }) => id),
        jobs.map(({ member }) => member.userId),
        jobs.map(({ member }) => member.productId),
        jobs.map(({ member }) => member.taskId),
      ],
    )
    return jobs.map(({ id }) => id)
  }

  #areClaimed(jobs: readonly string[]): boolean {
    return jobs.every((jobId) => this.#tally.claimed.has(jobId))
  }

  async #claimed(jobs: readonly string[]): Promise<void> {
    const end = performance.now() + SETTLED_MS
    while (!this.#areClaimed(jobs)) {
      if (performance.now() > end) throw new Error('jobs of the fleet were not claimed in time')
      await sleep(1)
    }
  }
}

/** All of them, as many at a time as there are connections: what has none waits its turn. */
export async function each<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  await Promise.all(items.map(work))
}
