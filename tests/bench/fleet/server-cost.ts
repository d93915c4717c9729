import type pg from 'pg'
import type { TestServer } from '../../support/test-server.ts'
import { cpuMs, PROCESSES_TELL, tree } from '../world/processes.ts'

export interface Cost {
  readonly seconds: number
  /** Bytes of write-ahead log. */
  readonly wal: number
  /** ms of processor time of all server processes; null where the system does not tell. */
  readonly cpu: number | null
}

/** What the database server spends between two looks. */
export class ServerCost {
  readonly #server: TestServer
  readonly #pool: pg.Pool

  constructor(server: TestServer, pool: pg.Pool) {
    this.#server = server
    this.#pool = pool
  }

  async of(work: () => Promise<unknown>): Promise<Cost> {
    const [wal, cpu, from] = [await this.#wal(), await this.#cpu(), performance.now()]
    await work()
    const seconds = (performance.now() - from) / 1000
    const cpuAfter = await this.#cpu()
    return {
      seconds,
      wal: (await this.#wal()) - wal,
      cpu: cpu === null || cpuAfter === null ? null : cpuAfter - cpu,
    }
  }

  async #wal(): Promise<number> {
    const { rows } = await this.#pool.query<{ at: string }>("select pg_current_wal_lsn() - '0/0' as at")
    return Number(rows[0]?.at)
  }

  async #cpu(): Promise<number | null> {
    if (!PROCESSES_TELL) return null
    let total = 0
    for (const pid of await tree(await this.#server.pid())) total += await cpuMs(pid).catch(() => 0)
    return total
  }
}
