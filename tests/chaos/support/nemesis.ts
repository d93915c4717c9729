import { delay } from '../../../daemon/lifecycle/delay.ts'
import type { Laboratory } from './laboratory.ts'
import type { Machine } from './machine.ts'
import type { Random } from './random.ts'
import type { Worker } from './worker.ts'

export interface NemesisOptions {
  /** Mean time between two faults of one kind, ms; 0: never. */
  readonly killShim: number
  readonly stopShim: number
  readonly killDaemon: number
  readonly stopDaemon: number
  readonly terminateDaemon: number
  readonly killDatabase: number
  readonly blackhole: number
  readonly reset: number
  readonly cancelJob: number
  /** How long something stays stopped or cut off at most, ms. */
  readonly longestMs: number
}

/** Does what goes wrong in the field, at random moments, until it is told to stop; then mends all of it. */
export class Nemesis {
  readonly #lab: Laboratory
  readonly #workers: readonly Worker[]
  readonly #random: Random
  readonly #options: NemesisOptions
  readonly #stop = new AbortController()
  readonly #loops: Promise<void>[] = []
  /** One fault at a time on a daemon, and one on the database. */
  readonly #busy = new Set<unknown>()

  constructor(lab: Laboratory, workers: readonly Worker[], random: Random, options: NemesisOptions) {
    this.#lab = lab
    this.#workers = workers
    this.#random = random
    this.#options = options
  }

  start(): void {
    const o = this.#options
    this.#every(o.killShim, () => this.#killShim())
    this.#every(o.stopShim, () => this.#stopShim())
    this.#every(o.killDaemon, () => this.#daemon((machine) => machine.kill()))
    this.#every(o.terminateDaemon, () => this.#daemon(async (machine) => void (await machine.terminate())))
    this.#every(o.stopDaemon, () => this.#stopDaemon())
    this.#every(o.killDatabase, () => this.#killDatabase())
    this.#every(o.blackhole, () => this.#cutOff('blackhole'))
    this.#every(o.reset, () => this.#reset())
    this.#every(o.cancelJob, () => this.#cancelJob())
  }

  /** No more faults; everything runs and is reachable again. */
  async stop(): Promise<void> {
    this.#stop.abort()
    await Promise.all(this.#loops)
  }

  #every(meanMs: number, fault: () => Promise<void>): void {
    if (meanMs === 0) return
    const random = this.#random.fork()
    const loop = async () => {
      for (;;) {
        await delay(meanMs * random.between(0.3, 1.7), this.#stop.signal)
        if (this.#stop.signal.aborted) return
        await fault()
      }
    }
    this.#loops.push(loop())
  }

  /** A while in which something stays broken; ends early when the nemesis is stopped. */
  #while(): Promise<void> {
    const { longestMs } = this.#options
    // Mostly short, sometimes as long as it gets.
    const ms = this.#random.chance(0.3) ? this.#random.between(longestMs / 2, longestMs) : longestMs / 8
    return delay(ms, this.#stop.signal)
  }

  async #killShim(): Promise<void> {
    const agent = this.#random.pick(this.#workers).agent
    if (agent === undefined || agent.isGone) return
    agent.signalShim('SIGKILL')
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

  /** Ends one daemon and starts another at once or a little later. */
  async #daemon(end: (machine: Machine) => Promise<void>): Promise<void> {
    await this.#alone(this.#random.pick(this.#lab.machines), async (machine) => {
      await end(machine)
      if (this.#random.chance(0.3)) await this.#while()
      await machine.start()
    })
  }

  async #stopDaemon(): Promise<void> {
    await this.#alone(this.#random.pick(this.#lab.machines), async (machine) => {
      machine.stop()
      await this.#while()
      machine.continue()
    })
  }

  async #killDatabase(): Promise<void> {
    await this.#alone(this.#lab.server, async (server) => {
      this.#note('killed')
      await server.kill('SIGKILL')
      if (this.#random.chance(0.5)) await this.#while()
      await server.start()
      this.#note('started')
    })
  }

  async #cutOff(mode: 'blackhole' | 'refuse'): Promise<void> {
    await this.#alone(this.#random.pick(this.#lab.machines).proxy, async (proxy) => {
      const machine = this.#lab.machines.find((one) => one.proxy === proxy)?.name
      this.#note(`link ${mode}`, machine)
      await proxy.setMode(mode)
      await this.#while()
      await proxy.setMode('forward')
      // What was swallowed is missing for good: such a link cannot go on.
      proxy.reset()
      this.#note('link forward', machine)
    })
  }

  async #reset(): Promise<void> {
    const machine = this.#random.pick(this.#lab.machines)
    this.#note('link reset', machine.name)
    machine.proxy.reset()
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

  async #alone<T>(on: T, fault: (on: T) => Promise<void>): Promise<void> {
    if (this.#busy.has(on)) return
    this.#busy.add(on)
    try {
      await fault(on)
    } finally {
      this.#busy.delete(on)
    }
  }

  #note(did: string, machine?: string): void {
    this.#lab.history.add({ kind: 'database', did, ...(machine === undefined ? {} : { machine }) })
  }
}
