import { afterEach, beforeEach, expect, it } from 'vitest'
import { silentLogger } from '../../daemon/logger.ts'
import { Presence } from '../../daemon/presence/presence.ts'
import { type TestDatabase, testDatabase } from '../support/postgres.ts'
import { seed } from '../support/seed.ts'

let db: TestDatabase
beforeEach(async () => {
  db = await testDatabase()
})
afterEach(() => db.drop())

it('is announced when leases can be renewed and its row be written, and proven no sooner', async () => {
  const userId = (await seed.user(db)).id
  const tokenId = (await seed.token(db, { user_id: userId })).id
  const events: string[] = []
  const presence = new Presence({
    sql: db.pool,
    worker: () => ({ userId, tokenId, instanceId: 'here' }),
    machine: { hostname: 'h', pid: 1 },
    ...{ heartbeatMs: 60_000, leaseSeconds: 60 },
    begin: () => ({ held: [], apply: async () => undefined }),
    lost: () => events.push('lost'),
    proven: () => events.push('proven'),
    refused: () => events.push('refused'),
    logger: silentLogger,
  })
  const beats = async (n: number) => {
    presence.beatNow()
    await expect.poll(() => events.length).toBe(n)
    return (await db.query('select 1 from claude_workers')).length
  }
  await db.query('alter table claude_jobs rename lease_until to elsewhere')
  expect(await beats(1)).toBe(0)
  await db.query('alter table claude_jobs rename elsewhere to lease_until')
  await db.query('alter table claude_workers add column needed int not null')
  expect(await beats(2)).toBe(0)
  expect(presence.isPresent).toBe(false)
  await db.query('alter table claude_workers drop column needed')
  expect(await beats(3)).toBe(1)
  expect(events).toEqual(['lost', 'lost', 'proven'])
  expect(presence.lastBeatAt).not.toBeNull()
  await presence.stop()
})
