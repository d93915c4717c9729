import { afterAll, beforeAll, expect } from 'vitest'
import { type ClaimedJob, type ClaimRequest, claimNext } from '../../daemon/jobs/claim.ts'
import { type TestDatabase, testDatabase } from './postgres.ts'
import { seed } from './seed.ts'

export interface JobTable {
  readonly db: TestDatabase
  readonly userId: string
  readonly tokenId: string
  readonly productId: string
}

/** The columns of a job that nobody has claimed. */
export const NO_CLAIM = {
  ...{ claimed_by_token_id: null, worker_instance_id: null, claimed_at: null, lease_until: null },
  ...{ started_at: null, plan_snapshot: null, branch: null, base_sha: null },
}

/** For the tests of a file a database with one user, token and product, and jobs that this machine claims. */
export function jobTable() {
  let made: JobTable
  beforeAll(async () => {
    const db = await testDatabase()
    const userId = String((await seed.user(db)).id)
    const tokenId = String((await seed.token(db, { user_id: userId })).id)
    made = { db, userId, tokenId, productId: String((await seed.product(db, { user_id: userId })).id) }
  })
  afterAll(() => made.db.drop())

  const request = (more: Partial<ClaimRequest> = {}): ClaimRequest => ({
    ...{ userId: made.userId, tokenId: made.tokenId, instanceId: 'here', leaseSeconds: 60 },
    ...{ products: [made.productId], exclude: [], markers: [] },
    ...more,
  })
  return {
    /** Of use from the first test on. */
    table: () => made,
    request,
    async job(row: Record<string, unknown> = {}): Promise<string> {
      return String(
        (await seed.job(made.db, { product_id: made.productId, user_id: made.userId, ...row })).id,
      )
    },
    row: async (id: string) => (await made.db.query('select * from claude_jobs where id = $1', [id]))[0],
    clear: () => made.db.query('delete from claude_jobs'),
    async claim(more: Partial<ClaimRequest> = {}): Promise<ClaimedJob> {
      const claimed = await claimNext(made.db.pool, request(more))
      if (claimed === null) throw new Error('nothing to claim')
      return claimed
    },
    /** While somebody has rows locked; not for so long that one who waits for them waits for ever. */
    async holding(sql: string, values: unknown[], work: () => Promise<void>): Promise<void> {
      const person = await made.db.pool.connect()
      const enough = setTimeout(() => void person.query('rollback').catch(() => undefined), 2_000)
      try {
        await person.query('begin')
        await person.query(sql, values)
        await work()
        // Nobody waited for it.
        expect(await person.query('select now() = statement_timestamp() as over')).toMatchObject({
          rows: [{ over: false }],
        })
      } finally {
        clearTimeout(enough)
        await person.query('rollback')
        person.release()
      }
    },
  }
}
