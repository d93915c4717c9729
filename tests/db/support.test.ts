import { expect, test } from 'vitest'
import { testDatabase } from '../support/postgres.ts'
import { seed } from '../support/seed.ts'

test('a test database is a migrated clone of its own, and seeds fill a whole backlog', async () => {
  const [one, other] = await Promise.all([testDatabase(), testDatabase()])
  try {
    const token = await seed.token(one)
    const product = await seed.product(one, { user_id: token.user_id })
    const job = await seed.job(one, { product_id: product.id })
    const sprint = await seed.sprint(one, { product_id: product.id })
    expect(job).toMatchObject({
      user_id: token.user_id,
      product_id: product.id,
      status: 'QUEUED',
      retry_count: 0,
    })
    expect(sprint.status).toBe('ACTIVE')
    expect(Math.abs(Date.now() - new Date(String(job.created_at)).getTime())).toBeLessThan(60_000)
    expect(await one.query('select count(*)::int as n from tasks')).toEqual([{ n: 1 }])
    expect(await other.query('select count(*)::int as n from users')).toEqual([{ n: 0 }])
  } finally {
    await Promise.all([one.drop(), other.drop()])
  }
})
