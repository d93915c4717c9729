import type pg from 'pg'
import { newId } from '../../../daemon/db/new-id.ts'
import { seed } from '../../support/seed.ts'

export interface Queued {
  readonly jobId: string
  readonly productId: string
}

/** One user of one database, with tasks to queue jobs for. */
export class Tenant {
  readonly pool: pg.Pool
  readonly url: string
  readonly database: string
  readonly userId: string
  readonly token: string
  /** One task a product is enough: any number of jobs may have been queued for it. */
  readonly #tasks = new Map<string, string>()

  private constructor(pool: pg.Pool, url: string, database: string, userId: string, token: string) {
    this.pool = pool
    this.url = url
    this.database = database
    this.userId = userId
    this.token = token
  }

  static async make(pool: pg.Pool, url: string, database: string): Promise<Tenant> {
    const { user_id, plain } = await seed.token(pool)
    return new Tenant(pool, url, database, user_id, plain)
  }

  async product(): Promise<string> {
    const { id } = await seed.product(this.pool, { user_id: this.userId })
    const task = await seed.task(this.pool, { product_id: id })
    this.#tasks.set(id, task.id)
    return id
  }

  /**
   * Queues a job as the web app does, in one statement: the row, and the notification that a daemon listens
   * for. `client`: a connection of the caller's, so that no pool stands in a measured time's way.
   */
  async enqueue(productId: string, client: pg.ClientBase | pg.Pool = this.pool): Promise<Queued> {
    const jobId = newId()
    await client.query({
      name: 'bench-enqueue',
      text: `with j as (
               insert into claude_jobs (id, user_id, product_id, task_id, updated_at)
               values ($1, $2, $3, $4, now() at time zone 'utc') returning id, user_id, product_id)
             select pg_notify('scrum4me_changes', json_build_object('type', 'claude_job_enqueued',
               'user_id', user_id, 'product_id', product_id, 'job_id', id)::text) from j`,
      values: [jobId, this.userId, productId, this.#tasks.get(productId)],
    })
    return { jobId, productId }
  }

  /** Another token of the same user: another machine. */
  async anotherToken(): Promise<string> {
    return (await seed.token(this.pool, { user_id: this.userId })).plain
  }
}
