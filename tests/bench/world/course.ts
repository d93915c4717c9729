import { setTimeout as sleep } from 'node:timers/promises'
import type { Agent } from '../../support/agent.ts'
import { bareFetch, bareWorktreeAdd } from './bare-git.ts'
import { ClaimWatch } from './claim-watch.ts'
import type { Cleanup } from './cleanup.ts'
import { sharedNow } from './clock.ts'
import { type Clone, Machine } from './machine.ts'
import type { Tenant } from './tenant.ts'
import type { World } from './world.ts'

/** Long enough for everything that a job began to come to rest, ms. */
export const REST_MS = 25

export interface JobTimes {
  /** ms from the enqueue. */
  readonly claimed: number
  readonly answered: number
}

/** An agent that takes jobs one after the other, on a machine with some products in turn. */
export class Course {
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

  /** `clones`: paths, or a number of small repositories to make. */
  static async make(
    world: World,
    cleanup: Cleanup,
    env: Record<string, string>,
    repositories: number | readonly string[],
  ): Promise<Course> {
    const tenant = await world.tenant()
    const machine = cleanup.own(await Machine.make(tenant, env), (made) => made.remove())
    const paths =
      typeof repositories === 'number' ? new Array<undefined>(repositories).fill(undefined) : repositories
    const clones: Clone[] = []
    for (const path of paths) clones.push(await machine.product(path))
    await machine.start()
    const watch = cleanup.own(await ClaimWatch.start(tenant.url), (made) => made.stop())
    const course = new Course(machine, clones, await machine.installation.agent(), watch)
    // The first job of each prepares statements, wakes what sleeps, and asks for a spare.
    for (const _ of clones) await course.job()
    return course
  }

  async job(): Promise<JobTimes> {
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

  bareFetch(): Promise<number> {
    return bareFetch(this.#next().clone)
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

export interface CourseSeries {
  readonly claimed: number[]
  readonly answered: number[]
  readonly add: number[]
  readonly fetch: number[]
}

/** ms from claim to answer, job by job. */
export function preparing({ claimed, answered }: Pick<CourseSeries, 'claimed' | 'answered'>): number[] {
  return answered.map((at, index) => at - (claimed[index] ?? 0))
}
