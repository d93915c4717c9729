import { answerOf, type Held, toHeld } from './held.ts'
import { History } from './history.ts'
import type { Laboratory } from './laboratory.ts'
import type { Machine } from './machine.ts'
import type { RawAgent } from './raw-agent.ts'

let serial = 0

/** A session that a test leads by the hand, and of which the history knows everything. */
export class NotedSession {
  readonly agent: RawAgent
  readonly #lab: Laboratory
  readonly #machine: Machine
  /** Id of the call by which it was given its job. */
  takenBy = -1

  private constructor(lab: Laboratory, machine: Machine, agent: RawAgent) {
    this.#lab = lab
    this.#machine = machine
    this.agent = agent
  }

  static async open(lab: Laboratory, machine: Machine): Promise<NotedSession> {
    serial += 1
    return new NotedSession(lab, machine, await machine.agent(`noted-${serial}`))
  }

  /** Waits until a job is given to it; other answers are asked about again for so long. */
  async take(deadlineMs = 30_000): Promise<Held> {
    const session = this.agent.sessionId
    const end = performance.now() + deadlineMs
    for (;;) {
      const asked = History.now()
      const call = this.agent.call('wait_for_job', { wait_seconds: 10 })
      const result = await call.result
      const held = result.kind === 'ok' ? toHeld(result.content) : undefined
      if (held !== undefined) {
        const { job, claim, resumed } = held
        this.takenBy = call.id
        this.#lab.history.add({
          kind: 'delivered',
          ...{ session, job, claim, resumed, asked },
          machine: this.#machine.name,
        })
        return held
      }
      if (result.kind === 'failed') this.#lab.history.add({ kind: 'failed call', session, text: result.text })
      if (performance.now() > end) throw new Error(`${session} was given no job: ${JSON.stringify(result)}`)
    }
  }

  /** A final report; resolves with `counted`, `spooled` or the error's code. */
  report(held: Held, status: 'done' | 'failed' | 'skipped' = 'done', nonce = this.nonce()): Promise<string> {
    const { job, claim } = held
    this.#lab.history.add({
      kind: 'report',
      ...{ session: this.agent.sessionId, job, claim, nonce, status },
      machine: this.#machine.name,
    })
    return this.again(held, nonce, status)
  }

  /** The same report once more. */
  async again(held: Held, nonce: string, status: 'done' | 'failed' | 'skipped' = 'done'): Promise<string> {
    const { job, claim } = held
    const args = { job_id: job, status, summary: nonce }
    const result = await this.agent.call('update_job_status', args).result
    const answer = answerOf(result)
    this.#lab.history.add({
      kind: 'report answered',
      ...{ session: this.agent.sessionId, job, claim, nonce, answer, status },
    })
    return answer
  }

  nonce(): string {
    serial += 1
    return `noted-report-${serial}`
  }
}
