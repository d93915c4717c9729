import pg from 'pg'
import { parseChange } from '../../../daemon/db/change.ts'
import type { SimulatedMachine } from './simulated-machine.ts'

/**
 * One connection that listens for all simulated machines and hands each notification to the machines of its
 * user, which is what 2,000 listeners would do that each drop the others' unread. What their connections cost
 * the server is measured apart (`fan-out.ts`).
 */
export class Switchboard {
  readonly #client: pg.Client
  readonly #machines = new Map<string, SimulatedMachine[]>()
  /** Notifications heard. */
  heard = 0

  private constructor(client: pg.Client, machines: readonly SimulatedMachine[]) {
    this.#client = client
    for (const machine of machines) {
      const { userId } = machine.identity
      this.#machines.set(userId, [...(this.#machines.get(userId) ?? []), machine])
    }
  }

  static async start(url: string, machines: readonly SimulatedMachine[]): Promise<Switchboard> {
    const client = new pg.Client({ connectionString: url, application_name: 'bench' })
    const made = new Switchboard(client, machines)
    client.on('notification', ({ payload }) => made.#hear(payload ?? ''))
    await client.connect()
    await client.query('listen scrum4me_changes')
    return made
  }

  stop(): Promise<void> {
    return this.#client.end()
  }

  #hear(payload: string): void {
    this.heard += 1
    const change = parseChange(payload)
    if (typeof change?.user_id !== 'string' || typeof change.job_id !== 'string') return
    for (const { nudges } of this.#machines.get(change.user_id) ?? []) {
      if (change.type === 'claude_job_enqueued') nudges.queued(change.job_id)
      else if (change.status === 'CLAIMED') void nudges.claimed(change.job_id)
    }
  }
}
