import { execFile } from 'node:child_process'
import { access, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { delay } from '../../../daemon/lifecycle/delay.ts'
import { answerOf, type Held, toHeld } from './held.ts'
import { History } from './history.ts'
import type { Machine } from './machine.ts'
import type { Random } from './random.ts'
import type { RawAgent } from './raw-agent.ts'

/** How often a worker does what, of 1. */
export interface Habits {
  /** Cancels a wait at a random moment, or right after its answer. */
  readonly cancels: number
  /** Goes away for good with the job in its hands. */
  readonly vanishes: number
  /** Commits something before it reports. */
  readonly commits: number
  /** Writes a file and does not commit it. */
  readonly scribbles: number
  /** Says `running` first. */
  readonly runs: number
  /** Thinks this long at most between the steps, ms. */
  readonly thinksMs: number
}

let serial = 0

/**
 * One place at a machine where sessions follow each other: waits for jobs, works, reports, as an agent
 * would that never gives up. What it saw is in the history.
 */
export class Worker {
  readonly #machine: Machine
  readonly #history: History
  readonly #random: Random
  readonly #habits: Habits
  #agent: RawAgent | undefined
  #stopped = false

  constructor(machine: Machine, history: History, random: Random, habits: Habits) {
    this.#machine = machine
    this.#history = history
    this.#random = random
    this.#habits = habits
  }

  get agent(): RawAgent | undefined {
    return this.#agent
  }

  /** Until `stop`, or for ever. */
  async run(calm: () => boolean): Promise<void> {
    while (!this.#stopped) {
      const agent = await this.#session()
      try {
        const held = await this.#wait(agent, calm())
        if (held !== undefined) await this.#work(agent, held, calm())
      } catch (error) {
        if (!(error instanceof Cut)) throw error
        await this.#reopen(agent)
      }
    }
    if (this.#agent !== undefined) await this.#machine.discard(this.#agent)
  }

  stop(): void {
    this.#stopped = true
  }

  async #session(): Promise<RawAgent> {
    if (this.#agent === undefined || this.#agent.isGone) {
      serial += 1
      this.#agent = await this.#machine.agent(`session-${serial}`)
    }
    return this.#agent
  }

  /** The shim died under the conversation: its agent starts another. */
  async #reopen(agent: RawAgent): Promise<void> {
    if (agent.isGone || this.#stopped) return
    await delay(this.#random.between(0, 300))
    await agent.open()
  }

  async #wait(agent: RawAgent, calm: boolean): Promise<Held | undefined> {
    const cancels = !calm && this.#random.chance(this.#habits.cancels)
    const session = agent.sessionId
    this.#history.add({ kind: 'wait', session, machine: this.#machine.name })
    const asked = History.now()
    const call = agent.call('wait_for_job', { wait_seconds: calm ? 2 : 5 })
    // Half of the cancellations come while it waits, half after its answer.
    const early = cancels && this.#random.chance(0.5)
    const timer = early
      ? setTimeout(() => this.#cancel(agent, call.id), this.#random.between(0, 600))
      : undefined
    const result = await call.result
    clearTimeout(timer)
    if (result.kind === 'cut') throw new Cut()
    if (result.kind === 'cancelled') return undefined
    if (result.kind === 'failed') {
      this.#failed(result)
      await delay(this.#random.between(10, 200))
      return undefined
    }
    const held = toHeld(result.content)
    if (held === undefined) return undefined
    if (cancels && !early) {
      this.#cancel(agent, call.id, held.job)
      return undefined
    }
    const { job, claim, resumed } = held
    this.#history.add({
      kind: 'delivered',
      ...{ session, job, claim, resumed, asked },
      machine: this.#machine.name,
    })
    if (!resumed) await this.#lookAround(session, held)
    return held
  }

  #cancel(agent: RawAgent, id: number, job?: string): void {
    this.#history.add({
      kind: 'cancel',
      session: agent.sessionId,
      ...(job === undefined ? {} : { job }),
    })
    agent.cancel(id)
  }

  /** A job that is not said to be resumed comes with a worktree in which nobody worked. */
  async #lookAround(session: string, { job, path }: Held): Promise<void> {
    const names = await readdir(path).catch(() => [])
    const foreign = names.filter((name) => name.startsWith('work-'))
    if (foreign.length === 0) return
    this.#history.add({ kind: 'foreign work', session, job, detail: foreign.join(' ') })
  }

  async #work(agent: RawAgent, held: Held, calm: boolean): Promise<void> {
    const { job, claim } = held
    const session = agent.sessionId
    const think = () => delay(this.#random.between(0, calm ? 10 : this.#habits.thinksMs))
    if (this.#random.chance(this.#habits.runs)) {
      const result = await agent.call('update_job_status', { job_id: job, status: 'running' }).result
      if (result.kind === 'cut') throw new Cut()
      if (result.kind === 'failed') {
        this.#failed(result)
        if (isOver(result.code)) return
      }
    }
    await think()
    const commits = this.#random.chance(this.#habits.commits)
    if (commits) await this.#commit(session, held)
    if (this.#random.chance(this.#habits.scribbles))
      await writeFile(join(held.path, `work-scribble-${session}.txt`), `${session}\n`).catch(() => undefined)
    await think()
    if (!calm && this.#random.chance(this.#habits.vanishes)) return this.#machine.discard(agent)
    await this.#report(agent, held, session, claim, commits)
  }

  async #commit(session: string, held: Held): Promise<void> {
    const file = `work-${session}.txt`
    try {
      await writeFile(join(held.path, file), `${session} ${held.claim} ${Math.random()}\n`)
      await git(held.path, 'add', file)
      await git(held.path, 'commit', '-q', '-m', `Work of ${session}`)
      const sha = await git(held.path, 'rev-parse', 'HEAD')
      this.#history.add({ kind: 'commit', session, job: held.job, sha, machine: this.#machine.name })
    } catch (error) {
      // A superseded worker's worktree goes under its hands; anything else would be news.
      const gone = await access(held.path).then(
        () => false,
        () => true,
      )
      if (!gone && !/not a git repository|index\.lock|work-/.test(String(error))) throw error
    }
  }

  async #report(agent: RawAgent, held: Held, session: string, claim: string, worked: boolean): Promise<void> {
    const { job } = held
    serial += 1
    const nonce = `report-${serial}`
    const status = this.#random.pick(worked ? ['done', 'done', 'failed'] : ['done', 'failed', 'skipped'])
    const args = {
      job_id: job,
      status,
      summary: nonce,
      ...(status === 'done' && worked ? { branch: held.branch } : {}),
    }
    this.#history.add({
      kind: 'report',
      ...{ session, job, claim, nonce, status },
      machine: this.#machine.name,
    })
    for (;;) {
      const result = await agent.call('update_job_status', args).result
      const answer = answerOf(result)
      if (answer === 'cut') {
        // The agent does not know what became of its report, and says it again when its shim is back.
        await this.#reopen(agent)
        if (agent.isGone || this.#stopped) return
        continue
      }
      this.#history.add({ kind: 'report answered', session, job, claim, nonce, answer, status })
      if (result.kind === 'failed') this.#failed(result)
      if (isFinal(answer)) return
      await delay(this.#random.between(20, 200))
    }
  }

  #failed({ text }: { text: string }): void {
    this.#history.add({ kind: 'failed call', session: this.#agent?.sessionId ?? '?', text })
  }
}

/** The shim died under a call. */
class Cut extends Error {}

/** The claim is not this session's, for good. */
function isOver(code: string): boolean {
  return ['OWNERSHIP_LOST', 'JOB_CANCELLED', 'JOB_TERMINAL', 'NOT_FOUND'].includes(code)
}

function isFinal(answer: string): boolean {
  return answer === 'counted' || answer === 'spooled' || isOver(answer)
}

function git(cwd: string, ...args: string[]): Promise<string> {
  const identity = ['-c', 'user.name=Agent', '-c', 'user.email=agent@example.invalid', '-c', 'gc.auto=0']
  return new Promise((resolve, reject) => {
    execFile(
      'git',
      [...identity, ...args],
      { cwd, env: { PATH: process.env.PATH, HOME: cwd } },
      (error, out) => {
        if (error) reject(error)
        else resolve(out.trim())
      },
    )
  })
}
