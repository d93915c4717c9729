import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { ensureLocalOwner } from '../../daemon/db/local-owner.ts'
import { checkToken } from '../../daemon/db/token.ts'
import { type TestDatabase, testDatabase } from '../support/postgres.ts'
import { seed } from '../support/seed.ts'

let db: TestDatabase
let home: string
let file: string

beforeEach(async () => {
  db = await testDatabase()
  home = await mkdtemp(join(tmpdir(), 's4m-owner-'))
  file = join(home, 'state', 'token')
})

afterEach(async () => {
  await db.drop()
  await rm(home, { recursive: true, force: true })
})

async function ownToken(): Promise<string> {
  return (await readFile(file, 'utf8')).trim()
}

test('an empty database gets a user, its roles and a token that only its owner can read', async () => {
  const made = await ensureLocalOwner(db.pool, file, 'Ann Lee (dev)')
  expect(made.outcome).toBe('created')
  expect((await stat(file)).mode & 0o777).toBe(0o600)
  expect((await stat(join(home, 'state'))).mode & 0o777).toBe(0o700)
  const check = await checkToken(db.pool, await ownToken())
  expect(check).toMatchObject({ ok: true, caller: { username: 'ann-lee-dev', isDemo: false } })
  expect(await db.query('select role::text from user_roles order by role')).toHaveLength(3)
  const [row] = await db.query('select token_hash from api_tokens')
  expect(row?.token_hash).not.toBe(await ownToken())
})

test('the second start changes nothing', async () => {
  const first = await ensureLocalOwner(db.pool, file)
  const again = await ensureLocalOwner(db.pool, file)
  expect(again).toEqual({ outcome: 'existing', token: 'token' in first ? first.token : '' })
  expect(await db.query('select id from users')).toHaveLength(1)
  expect(await db.query('select id from api_tokens')).toHaveLength(1)
})

test('killed between file and database: the token of the file is entered', async () => {
  await ensureLocalOwner(db.pool, file)
  const token = await ownToken()
  await db.query('delete from users')
  expect(await ensureLocalOwner(db.pool, file)).toEqual({ outcome: 'created', token })
  expect((await checkToken(db.pool, token)).ok).toBe(true)
})

test('a revoked token stays revoked, with and without its file', async () => {
  await ensureLocalOwner(db.pool, file)
  const token = await ownToken()
  await db.query('update api_tokens set revoked_at = now()')
  expect(await ensureLocalOwner(db.pool, file)).toEqual({ outcome: 'existing', token })
  expect(await checkToken(db.pool, token)).toEqual({ ok: false, reason: 'revoked' })
  await rm(file)
  expect(await ensureLocalOwner(db.pool, file)).toEqual({ outcome: 'none' })
  expect(await db.query('select id from api_tokens')).toHaveLength(1)
})

test('a lost file gets a new token in place of the old one', async () => {
  await ensureLocalOwner(db.pool, file)
  const lost = await ownToken()
  await rm(file)
  expect((await ensureLocalOwner(db.pool, file)).outcome).toBe('recovered')
  expect((await checkToken(db.pool, await ownToken())).ok).toBe(true)
  expect(await checkToken(db.pool, lost)).toEqual({ ok: false, reason: 'unknown' })
  // Killed before the file was written, the same happens again.
  await writeFile(file, '')
  expect((await ensureLocalOwner(db.pool, file)).outcome).toBe('recovered')
})

test("another user's token is never replaced", async () => {
  const token = await seed.token(db)
  expect(await ensureLocalOwner(db.pool, file)).toEqual({ outcome: 'none' })
  expect((await checkToken(db.pool, token.plain)).ok).toBe(true)
})

test('a name that leaves nothing becomes "local"', async () => {
  await ensureLocalOwner(db.pool, file, '***')
  expect(await db.query('select username from users')).toEqual([{ username: 'local' }])
})
