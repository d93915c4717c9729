import { afterAll, beforeAll, expect, test } from 'vitest'
import { checkToken } from '../../daemon/db/token.ts'
import { type TestDatabase, testDatabase } from '../support/postgres.ts'
import { seed } from '../support/seed.ts'

let db: TestDatabase
beforeAll(async () => {
  db = await testDatabase()
})
afterAll(() => db.drop())

test('a valid token tells whose it is', async () => {
  const user = await seed.user(db, { is_demo: true })
  const token = await seed.token(db, { user_id: user.id, expires_at: new Date(Date.now() + 3_600_000) })
  const caller = { userId: user.id, tokenId: token.id, isDemo: true, username: user.username }
  expect(await checkToken(db.pool, token.plain)).toEqual({ ok: true, caller })
})

test.each([
  ['unknown', {}, () => 'f'.repeat(64)],
  ['revoked', { revoked_at: new Date() }, undefined],
  ['expired', { expires_at: new Date(Date.now() - 1_000) }, undefined],
])('%s', async (reason, row, other) => {
  const token = await seed.token(db, row)
  expect(await checkToken(db.pool, other?.() ?? token.plain)).toEqual({ ok: false, reason })
})

test("expiry goes by the database's clock in UTC, whatever the session's time zone", async () => {
  const client = await db.pool.connect()
  try {
    const soon = await seed.token(db, { expires_at: new Date(Date.now() + 60_000) })
    const past = await seed.token(db, { expires_at: new Date(Date.now() - 60_000) })
    for (const zone of ['Asia/Tokyo', 'America/Los_Angeles']) {
      await client.query(`set time zone '${zone}'`)
      expect((await checkToken(client, soon.plain)).ok).toBe(true)
      expect((await checkToken(client, past.plain)).ok).toBe(false)
    }
  } finally {
    client.release(true)
  }
})
