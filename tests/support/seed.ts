import { createHash, randomBytes } from 'node:crypto'
import { newId } from '../../daemon/db/new-id.ts'

/** Anything that runs a statement: a `TestDatabase`, a pool, a client. */
export interface Queryable {
  query(sql: string, values?: unknown[]): Promise<unknown>
}

type Row = Record<string, unknown>

let counter = 0

/** Rows with unique, valid defaults. Every function takes columns to override and returns the whole row it wrote. */
export const seed = {
  user: (db: Queryable, row: Row = {}) =>
    insert(
      db,
      'users',
      { username: `user-${next()}`, password_hash: 'x', updated_at: new Date(), ...row },
      'username',
    ),

  /** `plain` is what SCRUM4ME_TOKEN takes. Without `user_id`, a new user's. */
  token: async (db: Queryable, row: Row = {}) => {
    const plain = randomBytes(32).toString('hex')
    const token_hash = createHash('sha256').update(plain).digest('hex')
    const user_id = row.user_id ?? (await seed.user(db)).id
    return {
      ...(await insert(db, 'api_tokens', { token_hash, label: 'test', ...row, user_id }, 'user_id')),
      plain,
    }
  },

  product: async (db: Queryable, row: Row = {}) => {
    const user_id = row.user_id ?? (await seed.user(db)).id
    const defaults = { name: `Product ${next()}`, definition_of_done: 'Tests pass.', updated_at: new Date() }
    return insert(db, 'products', { ...defaults, ...row, user_id }, 'user_id', 'name')
  },

  sprint: async (db: Queryable, row: Row = {}) => {
    const product_id = row.product_id ?? (await seed.product(db)).id
    return insert(db, 'sprints', { sprint_goal: `Goal ${next()}`, ...row, product_id }, 'product_id')
  },

  pbi: async (db: Queryable, row: Row = {}) => {
    const product_id = row.product_id ?? (await seed.product(db)).id
    return insert(db, 'pbis', { ...item('PBI'), ...row, product_id }, 'product_id', 'code')
  },

  /** Without `pbi_id`, below a new PBI of `product_id` (or of a new product). */
  story: async (db: Queryable, row: Row = {}) => {
    const pbi = row.pbi_id === undefined ? await seed.pbi(db, pick(row, 'product_id')) : undefined
    const pbi_id = row.pbi_id ?? pbi?.id
    const product_id = row.product_id ?? pbi?.product_id ?? (await parentProduct(db, 'pbis', pbi_id))
    return insert(
      db,
      'stories',
      { ...item('ST'), ...row, pbi_id, product_id },
      'pbi_id',
      'product_id',
      'code',
    )
  },

  /** Without `story_id`, in a new story of `product_id` (or of a new product). */
  task: async (db: Queryable, row: Row = {}) => {
    const story = row.story_id === undefined ? await seed.story(db, pick(row, 'product_id')) : undefined
    const story_id = row.story_id ?? story?.id
    const product_id = row.product_id ?? story?.product_id ?? (await parentProduct(db, 'stories', story_id))
    return insert(
      db,
      'tasks',
      { ...item('T'), implementation_plan: 'Do it.', ...row, story_id, product_id },
      'story_id',
      'product_id',
      'code',
    )
  },

  /** A QUEUED job; without `task_id`, for a new task of `product_id`. `user_id` defaults to the product's owner. */
  job: async (db: Queryable, row: Row = {}) => {
    const task = row.task_id === undefined ? await seed.task(db, pick(row, 'product_id')) : undefined
    const task_id = row.task_id === undefined ? task?.id : row.task_id
    const product_id = row.product_id ?? task?.product_id ?? (await parentProduct(db, 'tasks', task_id))
    const owner = await select(db, 'select user_id from products where id = $1', [product_id])
    const defaults = { user_id: owner?.user_id, updated_at: new Date() }
    return insert(db, 'claude_jobs', { ...defaults, ...row, task_id, product_id }, 'user_id', 'product_id')
  },
}

function item(prefix: string): Row {
  const n = next()
  return {
    code: `${prefix}-${n}`,
    title: `${prefix} ${n}`,
    priority: 2,
    sort_order: n,
    updated_at: new Date(),
  }
}

function next(): number {
  counter += 1
  return counter
}

function pick(row: Row, key: string): Row {
  return row[key] === undefined ? {} : { [key]: row[key] }
}

/** A written row; `id` and the named columns are text for certain. */
type Seeded<K extends string> = { readonly [column: string]: unknown } & {
  readonly [column in 'id' | K]: string
}

async function insert<K extends string = never>(
  db: Queryable,
  table: string,
  values: Row,
  ...texts: K[]
): Promise<Seeded<K>> {
  const row = { id: newId(), ...values }
  const columns = Object.keys(row)
  const places = columns.map((_, index) => `$${index + 1}`)
  const sql = `insert into ${table} (${columns.join(', ')}) values (${places.join(', ')}) returning *`
  const written = await select(db, sql, Object.values(row).map(asUtc))
  if (written === undefined || !hasTexts(written, ['id', ...texts]))
    throw new Error(`${table}: nothing written`)
  return written
}

function hasTexts<K extends string>(row: Row, columns: readonly K[]): row is Row & Record<K, string> {
  return columns.every((column) => typeof row[column] === 'string')
}

/** Columns have no zone, and node-postgres would write a Date in this machine's. */
function asUtc(value: unknown): unknown {
  return value instanceof Date ? value.toISOString().replace('Z', '') : value
}

async function parentProduct(db: Queryable, table: string, id: unknown): Promise<unknown> {
  return (await select(db, `select product_id from ${table} where id = $1`, [id]))?.product_id
}

/** The first row; a `TestDatabase` answers with rows, pg with a result. */
async function select(db: Queryable, sql: string, values: unknown[]): Promise<Row | undefined> {
  const answer = await db.query(sql, values)
  const rows: unknown =
    typeof answer === 'object' && answer !== null && 'rows' in answer ? answer.rows : answer
  const first: unknown = Array.isArray(rows) ? rows[0] : undefined
  return isRow(first) ? first : undefined
}

function isRow(value: unknown): value is Row {
  return typeof value === 'object' && value !== null
}
