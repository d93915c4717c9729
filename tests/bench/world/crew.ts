import type { Agent } from '../../support/agent.ts'
import type { Machine } from './machine.ts'

/** Agents that take jobs, report them and wait again, or keep the first job they get. */
export class Crew {
  readonly agents: Agent[] = []
  readonly #machine: Machine
  readonly #taken = new Map<string, Agent>()
  readonly #awaited = new Map<string, (agent: Agent) => void>()
  readonly #failed: string[] = []
  #keep = false

  constructor(machine: Machine) {
    this.#machine = machine
  }

  /** Opens sessions until there are `count`, all waiting. */
  async grow(count: number): Promise<void> {
    while (this.agents.length < count) {
      const some = await this.#machine.agents(Math.min(8, count - this.agents.length))
      for (const agent of some) {
        this.agents.push(agent)
        void this.#work(agent)
      }
    }
    await this.#machine.waiting(count)
  }

  /** From now on an agent that gets a job holds it. */
  keep(): void {
    this.#keep = true
  }

  /** Resolves when an agent has the job, and has reported it unless it keeps it. */
  async done(jobId: string): Promise<Agent> {
    const agent = this.#taken.get(jobId)
    if (agent !== undefined) return agent
    return new Promise((resolve) => this.#awaited.set(jobId, resolve))
  }

  /** Jobs that somebody has or had. */
  get served(): number {
    return this.#taken.size
  }

  get holding(): ReadonlyMap<string, Agent> {
    return this.#taken
  }

  forget(): void {
    this.#taken.clear()
  }

  /** What went wrong; empty when all is well. */
  get failures(): readonly string[] {
    return this.#failed
  }

  async #work(agent: Agent): Promise<void> {
    try {
      for (;;) {
        const job = await this.#machine.wait(agent)
        if (job.status !== 'claimed') continue
        const jobId = String(job.job_id)
        if (!this.#keep) await agent.call('update_job_status', { job_id: jobId, status: 'skipped' })
        this.#taken.set(jobId, agent)
        this.#awaited.get(jobId)?.(agent)
        this.#awaited.delete(jobId)
        if (this.#keep) return
      }
    } catch (error) {
      // Its session was closed at the end of the bench.
      if (!String(error).includes('Connection closed')) this.#failed.push(String(error))
    }
  }
}
