import { setTimeout as sleep } from 'node:timers/promises'
import type { Agent } from '../../support/agent.ts'
import { git } from '../../support/git.ts'
import { type Bench, times } from '../bench.ts'
import { count, type Figure, type Findings, ms, plain, ratio } from '../figure.ts'
import { percentile, type Summary, summarise } from '../samples.ts'
import { BeatWatch } from '../world/beat-watch.ts'
import { ClaimWatch } from '../world/claim-watch.ts'
import type { Cleanup } from '../world/cleanup.ts'
import { sharedNow, timed } from '../world/clock.ts'
import { REST_MS } from '../world/course.ts'
import { Crew } from '../world/crew.ts'
import { DeafSession } from '../world/deaf-session.ts'
import { type Clone, Machine } from '../world/machine.ts'
import type { World } from '../world/world.ts'

const FEW = 10
const MANY = 500
const REMOVALS = 100
/** Repositories that the jobs are spread over. */
const PRODUCTS = 4
/** Beats come every second here, to have many of them; the contract's pace is five. s. */
const BEAT_S = 1
const CONTRACT_BEAT_S = 5
/** How long the storm lasts at least, s. */
const STORM_S = 20

/** Many sessions on one machine: who waits for whom, and whether the heart goes on beating. */
export const crowd: Bench = {
  name: 'crowd',
  async run(world, sizes) {
    const cleanup = world.scope()
    try {
      const few = await Crowd.make(world, cleanup, FEW)
      const many = await Crowd.make(world, cleanup, times(sizes, MANY, FEW))
      const s = { few: [] as number[], many: [] as number[] }
      // In turn, so that both meet the same weather; the first of each are not counted.
      for (let n = -2; n < times(sizes, 60, 5); n += 1) {
        const [a, b] = [await few.claim(), await many.claim()]
        if (n >= 0) {
          s.few.push(a)
          s.many.push(b)
        }
      }
      const neighbours = await many.neighbours(cleanup, times(sizes, 1500, 200))
      const burst = await many.burst()
      const beats = await many.storm(Math.min(REMOVALS, many.sessions))
      return findings(many.sessions, s, neighbours, burst, beats)
    } finally {
      await cleanup.run()
    }
  },
}

interface Neighbours {
  readonly alone: number[]
  readonly besideDeaf: number[]
}

interface Burst {
  readonly answered: number
  readonly served: number
  readonly seconds: number
}

function findings(
  sessions: number,
  s: { few: number[]; many: number[] },
  neighbours: Neighbours,
  burst: Burst,
  beats: readonly number[],
): Findings {
  const [few, many] = [summarise(s.few), summarise(s.many)]
  const alone = summarise(neighbours.alone)
  const besideDeaf = summarise(neighbours.besideDeaf)
  // What a beat is late is the same at any pace.
  const gaps = beats.map((gap) => gap - BEAT_S + CONTRACT_BEAT_S)
  const seconds = (label: string, value: number) => ({ label, value, unit: 's' }) as const
  const note = `beats every ${BEAT_S} s, to have ${beats.length} of them; what they were late is added to ${CONTRACT_BEAT_S} s`
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
    plain(`heartbeat gap in the storm, p99`, seconds('ours', percentile(gaps, 99)), 6, note),
    plain(`heartbeat gap in the storm, longest`, seconds('ours', Math.max(...gaps)), 10, note),
  ]
  const series: Record<string, Summary> = {
    [`enqueue to claimed, ${FEW} sessions, ms`]: few,
    [`enqueue to claimed, ${sessions} sessions, ms`]: many,
    'call among many sessions, ms': alone,
    'call beside a session that reads nothing, ms': besideDeaf,
    [`from ${sessions} jobs queued to all of them in worktrees, s`]: summarise([burst.seconds]),
    'between two beats in the storm, s': summarise(beats),
  }
  return { figures, series }
}

/** One machine with a number of waiting sessions. */
class Crowd {
  readonly sessions: number
  readonly #machine: Machine
  readonly #clones: readonly Clone[]
  readonly #crew: Crew
  readonly #watch: ClaimWatch
  #turn = 0

  private constructor(machine: Machine, clones: readonly Clone[], crew: Crew, watch: ClaimWatch) {
    this.sessions = crew.agents.length
    this.#machine = machine
    this.#clones = clones
    this.#crew = crew
    this.#watch = watch
  }

  static async make(world: World, cleanup: Cleanup, sessions: number): Promise<Crowd> {
    const tenant = await world.tenant()
    const machine = cleanup.own(
      await Machine.make(tenant, {
        SCRUM4ME_HEARTBEAT_SECONDS: String(BEAT_S),
        SCRUM4ME_SPARE_WORKTREES: 'off',
      }),
      (made) => made.remove(),
    )
    const clones: Clone[] = []
    while (clones.length < PRODUCTS) clones.push(await machine.product())
    await machine.start()
    const crew = new Crew(machine)
    await crew.grow(sessions)
    const watch = cleanup.own(await ClaimWatch.start(tenant.url), (made) => made.stop())
    return new Crowd(machine, clones, crew, watch)
  }

  /** ms from enqueue to claim; resolves when the job has been reported and its session waits again. */
  async claim(): Promise<number> {
    const from = sharedNow()
    const { jobId } = await this.#enqueue()
    const at = await this.#watch.claimed(jobId)
    await this.#crew.done(jobId)
    await sleep(REST_MS)
    return at - from
  }

  /** ms of a session's calls, alone and beside one that does not read what it asked for. */
  async neighbours(cleanup: Cleanup, calls: number): Promise<Neighbours> {
    const agent = await this.#machine.installation.agent()
    const series = async () => {
      const samples: number[] = []
      for (let n = 0; n < calls; n += 1) samples.push(await timed(() => agent.call('health')))
      return samples
    }
    await series()
    const alone = await series()
    const deaf = cleanup.own(await DeafSession.start(this.#machine.installation.env, 400), (made) =>
      made.stop(),
    )
    await sleep(500)
    const besideDeaf = await series()
    await deaf.stop()
    await agent.close()
    return { alone, besideDeaf }
  }

  /** Every session calls at once, and gets a job at once, which it keeps. */
  async burst(): Promise<Burst> {
    const calls = await Promise.allSettled(this.#crew.agents.map((agent) => agent.call('health')))
    const answered = calls.filter(({ status }) => status === 'fulfilled').length
    this.#crew.forget()
    this.#crew.keep()
    const from = performance.now()
    const jobs = await Promise.all(this.#crew.agents.map(() => this.#enqueue()))
    const end = from + 120_000
    while (this.#crew.served < jobs.length && this.#crew.failures.length === 0 && performance.now() < end)
      await sleep(100)
    const [failure] = this.#crew.failures
    if (failure !== undefined) console.error(`a session failed: ${failure}`)
    return { answered, served: this.#crew.served, seconds: (performance.now() - from) / 1000 }
  }

  /** s between beats while worktrees go, a repository is collected, and everybody calls. */
  async storm(removals: number): Promise<number[]> {
    const watch = await BeatWatch.start(this.#machine.tenant.url)
    let over = false
    const collect = async () => {
      while (!over) for (const { clone } of this.#clones) await git(clone, 'gc', '--quiet', '--aggressive')
    }
    const talk = async (agent: Agent) => {
      while (!over) {
        await agent.call('health')
        await sleep(1_000)
      }
    }
    const background = Promise.all([collect(), ...this.#crew.agents.map(talk)])
    const held = [...this.#crew.holding].slice(0, removals)
    const reports = held.map(([jobId, agent]) =>
      agent.call('update_job_status', { job_id: jobId, status: 'failed' }),
    )
    const storm = Promise.all([...reports, sleep(STORM_S * 1000)]).finally(() => {
      over = true
    })
    await Promise.all([storm, background])
    return watch.stop()
  }

  #enqueue() {
    const clone = this.#clones[this.#turn % this.#clones.length]
    if (clone === undefined) throw new Error('no product')
    this.#turn += 1
    return this.#machine.tenant.enqueue(clone.productId, this.#watch.client)
  }
}
