import { setMaxListeners } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Agent } from '../../support/agent.ts'
import { git } from '../../support/git.ts'
import { until } from '../../support/until.ts'
import { BeatWatch } from './beat-watch.ts'
import { ClaimWatch } from './claim-watch.ts'
import type { Cleanup } from './cleanup.ts'
import { sharedNow, timed } from './clock.ts'
import { REST_MS } from './course.ts'
import { Crew } from './crew.ts'
import { DeafSession } from './deaf-session.ts'
import { type Clone, Machine } from './machine.ts'
import type { World } from './world.ts'

/** Beats come every second here, to have many of them; the contract's pace is five. s. */
export const BEAT_S = 1
/** s */
const SHORTEST_STORM_S = 15
/** Each session calls this often in the storm, ms. */
const TALK_MS = 5_000
const LONGEST_REMOVAL_MS = 900_000

export interface Neighbours {
  readonly alone: number[]
  readonly besideDeaf: number[]
}

export interface Storm {
  /** s between one beat and the next. */
  readonly gaps: readonly number[]
  readonly removed: number
  /** s */
  readonly lasted: number
}

export interface Burst {
  readonly answered: number
  readonly served: number
  readonly seconds: number
}

/** One machine with a number of waiting sessions. */
export class Crowd {
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

  /** `repositories`: one product each, by the path of a clone; undefined makes a small one. */
  static async make(
    world: World,
    cleanup: Cleanup,
    sessions: number,
    repositories: readonly (string | undefined)[],
  ): Promise<Crowd> {
    const tenant = await world.tenant()
    const machine = cleanup.own(
      await Machine.make(tenant, {
        SCRUM4ME_HEARTBEAT_SECONDS: String(BEAT_S),
        SCRUM4ME_SPARE_WORKTREES: 'off',
      }),
      (made) => made.remove(),
    )
    const clones: Clone[] = []
    for (const repository of repositories) clones.push(await machine.product(repository))
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
    const besideDeaf = await series()
    await deaf.stop()
    await agent.close()
    return { alone, besideDeaf }
  }

  /** Every session calls at once, and gets a job at once, which it keeps. */
  async burst(longestMs: number): Promise<Burst> {
    const calls = await Promise.allSettled(this.#crew.agents.map((agent) => agent.call('health')))
    const answered = calls.filter(({ status }) => status === 'fulfilled').length
    this.#crew.forget()
    this.#crew.keep()
    const from = performance.now()
    const jobs = []
    for (const _ of this.#crew.agents) jobs.push(await this.#enqueue())
    const isOver = () => this.#crew.served >= jobs.length || this.#crew.failures.length > 0
    await until('everybody is served', isOver, longestMs).catch(() => undefined)
    const [failure] = this.#crew.failures
    if (failure !== undefined) console.error(`a session failed: ${failure}`)
    return { answered, served: this.#crew.served, seconds: (performance.now() - from) / 1000 }
  }

  /** What became of the beats while worktrees go, repositories are collected, and everybody calls. */
  async storm(cleanup: Cleanup, removals: number, longestS: number): Promise<Storm> {
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
    const from = performance.now()
    const reports = [...this.#crew.holding].slice(0, removals).map(async ([jobId, agent]) => {
      await agent.call(
        'update_job_status',
        { job_id: jobId, status: 'failed' },
        { timeout: LONGEST_REMOVAL_MS },
      )
      removed += 1
    })
    const all = Promise.all([...reports, sleep(SHORTEST_STORM_S * 1000)])
    await Promise.race([all, sleep(longestS * 1000), background])
    const lasted = (performance.now() - from) / 1000
    weather.abort()
    await background
    const gaps = await watch.stop()
    // What is not removed by now counts as it is; its call ends with its session.
    void all.catch(() => undefined)
    return { gaps, removed, lasted }
  }

  #enqueue() {
    const clone = this.#clones[this.#turn % this.#clones.length]
    if (clone === undefined) throw new Error('no product')
    this.#turn += 1
    return this.#machine.tenant.enqueue(clone.productId, this.#watch.client)
  }
}
