import { setMaxListeners } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Agent } from '../../support/agent.ts'
import { git } from '../../support/git.ts'
import { until } from '../../support/until.ts'
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
/** How long the storm lasts at least and at most, s. */
const STORM_S = 15
const LONGEST_STORM_S = 45
/** Each session calls this often in the storm, ms. */
const TALK_MS = 5_000

/** Many sessions on one machine: who waits for whom, and whether the heart goes on beating. */
export const crowd: Bench = {
  name: 'crowd',
  async run(world, sizes, cleanup) {
    const few = await Crowd.make(world, cleanup, FEW)
    const many = await Crowd.make(world, cleanup, times(sizes, MANY, FEW))
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
    const burst = await many.burst()
    const storm = await many.storm(cleanup, Math.min(REMOVALS, many.sessions))
    return findings(many.sessions, s, neighbours, burst, storm)
  },
}

interface Neighbours {
  readonly alone: number[]
  readonly besideDeaf: number[]
}

interface Storm {
  /** s between one beat and the next. */
  readonly gaps: readonly number[]
  readonly removed: number
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
  storm: Storm,
): Findings {
  const [few, many] = [summarise(s.few), summarise(s.many)]
  const alone = summarise(neighbours.alone)
  const besideDeaf = summarise(neighbours.besideDeaf)
  // What a beat is late is the same at any pace.
  const gaps = storm.gaps.map((gap) => gap - BEAT_S + CONTRACT_BEAT_S)
  const seconds = (label: string, value: number) => ({ label, value, unit: 's' }) as const
  const note = `beats every ${BEAT_S} s, to have ${gaps.length} of them; what they were late is added to ${CONTRACT_BEAT_S} s; ${storm.removed} worktrees went meanwhile`
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
    'between two beats in the storm, s': summarise([...storm.gaps]),
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
    const jobs = []
    for (const _ of this.#crew.agents) jobs.push(await this.#enqueue())
    const isOver = () => this.#crew.served >= jobs.length || this.#crew.failures.length > 0
    await until('everybody is served', isOver, 120_000).catch(() => undefined)
    const [failure] = this.#crew.failures
    if (failure !== undefined) console.error(`a session failed: ${failure}`)
    return { answered, served: this.#crew.served, seconds: (performance.now() - from) / 1000 }
  }

  /** What became of the beats while worktrees go, repositories are collected, and everybody calls. */
  async storm(cleanup: Cleanup, removals: number): Promise<Storm> {
    const watch = cleanup.own(await BeatWatch.start(this.#machine.tenant.url), (made) => made.stop())
    const weather = new AbortController()
    setMaxListeners(this.sessions + 1, weather.signal)
    const collect = async () => {
      while (!weather.signal.aborted)
        for (const { clone } of this.#clones) await git(clone, 'gc', '--quiet', '--prune=now')
    }
    const talk = async (agent: Agent, n: number) => {
      // One after the other, not all in the same moment.
      for (let pause = (n / this.sessions) * TALK_MS; ; pause = TALK_MS) {
        await sleep(pause, undefined, weather).catch(() => undefined)
        if (weather.signal.aborted) return
        await agent.call('health')
      }
    }
    const background = Promise.all([collect(), ...this.#crew.agents.map(talk)])
    let removed = 0
    const reports = [...this.#crew.holding].slice(0, removals).map(async ([jobId, agent]) => {
      await agent.call('update_job_status', { job_id: jobId, status: 'failed' }, { timeout: 300_000 })
      removed += 1
    })
    const all = Promise.all([...reports, sleep(STORM_S * 1000)])
    await Promise.race([all, sleep(LONGEST_STORM_S * 1000), background])
    weather.abort()
    await background
    const gaps = await watch.stop()
    // What is not removed by now counts as it is; its call ends with its session.
    void all.catch(() => undefined)
    return { gaps, removed }
  }

  #enqueue() {
    const clone = this.#clones[this.#turn % this.#clones.length]
    if (clone === undefined) throw new Error('no product')
    this.#turn += 1
    return this.#machine.tenant.enqueue(clone.productId, this.#watch.client)
  }
}
