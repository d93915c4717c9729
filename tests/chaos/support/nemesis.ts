import { delay } from '../../../daemon/lifecycle/delay.ts'
import type { Laboratory } from './laboratory.ts'
import type { Machine } from './machine.ts'
import type { Random } from './random.ts'
import type { Worker } from './worker.ts'

const FAULTS = [
  'killShim',
  'stopShim',
  'killDaemon',
  'stopDaemon',
  'terminateDaemon',
  'killDatabase',
  'blackholeLink',
  'resetLink',
  'cancelJob',
] as const

type Fault = (typeof FAULTS)[number]

export interface NemesisOptions {
  /** How often each fault comes in a run of `jobs` jobs. */
  readonly faults: Readonly<Record<Fault, number>>
  readonly jobs: number
  /** How long something stays stopped or cut off at most, ms. */
  readonly longestMs: number
}

/**
 * Does what goes wrong in the field. The faults are spread over the run by its progress, not by time, so
 * that a slow machine meets no more of them than a fast one; when and on whom they fall is random.
 */
export class Nemesis {
  readonly #lab: Laboratory
  readonly #workers: readonly Worker[]
  readonly #random: Random
  readonly #options: NemesisOptions
  readonly #stop = new AbortController()
  readonly #running = new Set<Promise<void>>()
  /** Each fault with the number of ended jobs at which it is due. */
  readonly #plan: { readonly at: number; readonly fault: Fault }[]
  /** What has a fault now and must be left alone until it is over. */
  readonly #busy = new Set<unknown>()
  #failure: unknown

  constructor(lab: Laboratory, workers: readonly Worker[], random: Random, options: NemesisOptions) {
    this.#lab = lab
    this.#workers = workers
    this.#random = random
    this.#options = options
    this.#plan = FAULTS.flatMap((fault) =>
      Array.from({ length: options.faults[fault] }, () => ({ at: random.next() * options.jobs, fault })),
    ).sort((a, b) => a.at - b.at)
  }

  /** Begins what is due now that so many jobs have ended. */
  progress(ended: number): void {
    if (this.#failure !== undefined) throw this.#failure
    for (;;) {
      const next = this.#plan[0]
      if (next === undefined || next.at > ended || this.#stop.signal.aborted) return
      this.#plan.shift()
      const run = this.#begin(next.fault)
        .catch((error: unknown) => {
          this.#failure ??= error
        })
        .finally(() => this.#running.delete(run))
      this.#running.add(run)
    }
  }

  /** No more faults; everything runs and is reachable again. */
  async stop(): Promise<void> {
    this.#stop.abort()
    await Promise.all(this.#running)
    if (this.#failure !== undefined) throw this.#failure
  }

  #begin(fault: Fault): Promise<void> {
    const machine = this.#random.pick(this.#lab.machines)
    switch (fault) {
      case 'killShim':
        return this.#killShim()
      case 'stopShim':
        return this.#stopShim()
      case 'killDaemon':
        return this.#end(machine, () => machine.kill())
      case 'terminateDaemon':
        return this.#end(machine, async () => void (await machine.terminate()))
      case 'stopDaemon':
        return this.#stopDaemon(machine)
      case 'killDatabase':
        return this.#killDatabase()
      case 'blackholeLink':
        return this.#blackhole(machine)
      case 'resetLink':
        return this.#reset(machine)
      case 'cancelJob':
        return this.#cancelJob()
    }
  }

  /** How long something stays broken: mostly short, sometimes as long as it gets; over when the faults are. */
  #while(): Promise<void> {
    const { longestMs } = this.#options
    const ms = this.#random.chance(0.25)
      ? this.#random.between(longestMs / 2, longestMs)
      : this.#random.between(0, longestMs / 5)
    return delay(ms, this.#stop.signal)
  }

  async #killShim(): Promise<void> {
    const agent = this.#random.pick(this.#workers).agent
    if (agent !== undefined && !agent.isGone) agent.signalShim('SIGKILL')
  }

  async #stopShim(): Promise<void> {
    const agent = this.#random.pick(this.#workers).agent
    if (agent === undefined || agent.isGone || agent.shim === null) return
    this.#lab.history.add({ kind: 'shim', session: agent.sessionId, did: 'stopped' })
    agent.signalShim('SIGSTOP')
    await this.#while()
    agent.signalShim('SIGCONT')
    this.#lab.history.add({ kind: 'shim', session: agent.sessionId, did: 'continued' })
  }

  /** Ends a daemon and starts another at once or a little later. */
  #end(machine: Machine, end: () => Promise<void>): Promise<void> {
    return this.#alone(machine, async () => {
      await end()
      if (this.#random.chance(0.3)) await this.#while()
      await machine.start()
    })
  }

  #stopDaemon(machine: Machine): Promise<void> {
    return this.#alone(machine, async () => {
      machine.stop()
      await this.#while()
      machine.continue()
    })
  }

  #killDatabase(): Promise<void> {
    const { server } = this.#lab
    return this.#alone(server, async () => {
      this.#note('killed')
      await server.kill()
      if (this.#random.chance(0.5)) await this.#while()
      await server.start()
      this.#note('started')
    })
  }

  #blackhole({ proxy, name }: Machine): Promise<void> {
    return this.#alone(proxy, async () => {
      this.#note('link blackhole', name)
      await proxy.setMode('blackhole')
      await this.#while()
      await proxy.setMode('forward')
      // What was swallowed is missing for good: such a link cannot go on.
      proxy.reset()
      this.#note('link forward', name)
    })
  }

  async #reset({ proxy, name }: Machine): Promise<void> {
    this.#note('link reset', name)
    proxy.reset()
  }

  /** A person cancels a job in the web app. */
  async #cancelJob(): Promise<void> {
    await this.#lab.query(
      `with c as (
         update claude_jobs j set status = 'CANCELLED', finished_at = now() at time zone 'utc',
                updated_at = clock_timestamp() at time zone 'utc'
          where j.id = (select id from claude_jobs where status in ('QUEUED', 'CLAIMED', 'RUNNING')
                         order by random() limit 1 for update skip locked)
         returning j.*)
       select pg_notify('scrum4me_changes', json_build_object('type', 'claude_job_status', 'job_id', c.id,
         'user_id', c.user_id, 'product_id', c.product_id, 'status', c.status)::text) from c`,
    )
  }

  /** One fault at a time on one thing; a second one finds it broken already and does nothing. */
  async #alone(on: unknown, fault: () => Promise<void>): Promise<void> {
    if (this.#busy.has(on)) return
    this.#busy.add(on)
    try {
      await fault()
    } finally {
      this.#busy.delete(on)
    }
  }

  #note(did: string, machine?: string): void {
    this.#lab.history.add({ kind: 'database', did, ...(machine === undefined ? {} : { machine }) })
  }
}
