import pg from 'pg'
import { newId } from '../../../daemon/db/new-id.ts'
import { utcTypes } from '../../../daemon/db/timestamps.ts'

export interface Member {
  readonly userId: string
  readonly productId: string
  readonly taskId: string
  /** One token a machine, as `login` on each of them makes. */
  readonly tokenIds: readonly string[]
}

/** Jobs of former times: what the indexes must step over. */
const HISTORY = 50_000

/** Users with machines, a product and a task each, and a past; written in bulk. */
export async function populate(pool: pg.Pool, users: number, machinesEach: number): Promise<Member[]> {
  const members = Array.from({ length: users }, () => ({
    userId: newId(),
    productId: newId(),
    taskId: newId(),
    tokenIds: Array.from({ length: machinesEach }, () => newId()),
  }))
  const of = (key: 'userId' | 'productId' | 'taskId') => members.map((member) => member[key])
  const now = "now() at time zone 'utc'"
  await pool.query(
    `insert into users (id, username, password_hash, updated_at)
     select u, 'user-' || u, 'x', ${now} from unnest($1::text[]) u`,
    [of('userId')],
  )
  const tokens = members.flatMap(({ userId, tokenIds }) => tokenIds.map((tokenId) => ({ userId, tokenId })))
  await pool.query(
    `insert into api_tokens (id, user_id, token_hash) select t, u, t from unnest($1::text[], $2::text[]) x(t, u)`,
    [tokens.map(({ tokenId }) => tokenId), tokens.map(({ userId }) => userId)],
  )
  await pool.query(
    `with p as (insert into products (id, user_id, name, definition_of_done, updated_at)
                select p, u, 'Product', 'Done.', ${now} from unnest($1::text[], $2::text[]) x(p, u) returning id),
          b as (insert into pbis (id, product_id, code, title, priority, sort_order, updated_at)
                select id || 'b', id, 'PBI-1', 'PBI', 2, 1, ${now} from p returning id, product_id),
          s as (insert into stories (id, pbi_id, product_id, code, title, priority, sort_order, updated_at)
                select product_id || 's', id, product_id, 'ST-001', 'Story', 2, 1, ${now} from b returning id, product_id)
     insert into tasks (id, story_id, product_id, code, title, priority, sort_order, implementation_plan, updated_at)
     select t, s.id, s.product_id, 'T-1', 'Task', 2, 1, 'Do it.', ${now}
       from unnest($1::text[], $3::text[]) x(p, t) join s on s.product_id = x.p`,
    [of('productId'), of('userId'), of('taskId')],
  )
  await pool.query(
    `insert into claude_jobs (id, user_id, product_id, task_id, status, created_at, finished_at, updated_at)
     select 'old-' || n, u, p, t, 'DONE', ${now} - interval '30 days', ${now} - interval '30 days', ${now}
       from generate_series(1, ${HISTORY}) n
       join unnest($1::text[], $2::text[], $3::text[]) with ordinality x(u, p, t, i) on i = n % ${users} + 1`,
    [of('userId'), of('productId'), of('taskId')],
  )
  await pool.query('analyze')
  return members
}

/** Connections that all simulated machines share: each of them would have its own, see FLEET.md. */
export function sharedPool(url: string, max: number): pg.Pool {
  return new pg.Pool({ connectionString: url, max, types: utcTypes, application_name: 'bench' })
}
