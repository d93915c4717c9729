import { describe, expect, it } from 'vitest'
import { beat } from '../../daemon/presence/beat.ts'
import { registerWorker, unregisterWorker } from '../../daemon/presence/worker-row.ts'
import { jobTable } from '../support/job-table.ts'
import { seed } from '../support/seed.ts'

const { table, job, row, clear, claim, holding } = jobTable()

describe('beat', () => {
  it('renews presence and leases, and says what is no longer ours, what is stray, and whether jobs wait', async () => {
    const { db, userId, tokenId } = table()
    await clear()
    const worker = { userId, tokenId, instanceId: 'here' }
    await registerWorker(db.pool, worker, { hostname: 'h', pid: 1 })
    for (let n = 0; n < 4; n += 1) await job()
    const [ours, taken, cancelled, stray] = [await claim(), await claim(), await claim(), await claim()]
    await db.query(`update claude_jobs set worker_instance_id = 'there' where id = $1`, [
      taken?.identity.jobId,
    ])
    const leaseOfTaken = (await row(taken?.identity.jobId ?? ''))?.lease_until
    await db.query(`update claude_jobs set status = 'CANCELLED' where id = $1`, [cancelled?.identity.jobId])
    await db.query(`update claude_jobs set lease_until = now() - interval '1 day' where id = $1`, [
      ours?.identity.jobId,
    ])
    await db.query(`update claude_workers set last_seen_at = now() - interval '1 day'`)
    // Under our name as well, but not of this user, or over.
    const theirs = { worker_instance_id: 'here', claimed_by_token_id: tokenId, claimed_at: new Date() }
    await seed.job(db, { ...theirs, status: 'CLAIMED' })
    await job({ ...theirs, status: 'DONE' })
    // Another machine's.
    await job({ ...theirs, status: 'CLAIMED', worker_instance_id: 'there' })
    const held = [ours, taken, cancelled].map((one) => ({
      jobId: one?.identity.jobId ?? '',
      claimedAt: one?.identity.claimedAt ?? '',
      tokenId: one?.identity.tokenId ?? '',
    }))
    held.push({ jobId: 'deleted', claimedAt: '2020-01-01 00:00:00', tokenId })
    const answer = await beat(db.pool, { ...worker, leaseSeconds: 60, held })
    expect(answer).toMatchObject({ present: true, tokenValid: true, queued: false })
    const state = new Map(answer.held.map((one) => [one.jobId, one]))
    const mine = state.get(ours?.identity.jobId ?? '')
    expect(mine).toMatchObject({ ours: true, status: 'CLAIMED' })
    expect(Date.parse(`${mine?.leaseUntil}Z`)).toBeGreaterThan(Date.now())
    expect(state.get(taken?.identity.jobId ?? '')).toMatchObject({ ours: false, status: 'CLAIMED' })
    expect(state.get(cancelled?.identity.jobId ?? '')).toMatchObject({ ours: false, status: 'CANCELLED' })
    expect(state.get('deleted')).toMatchObject({ ours: false, status: null })
    expect(answer.strays).toEqual([
      { jobId: stray?.identity.jobId, claimedAt: stray?.identity.claimedAt, tokenId },
    ])
    expect(await row(taken?.identity.jobId ?? '')).toMatchObject({ lease_until: leaseOfTaken })
    const renewed = await row(ours?.identity.jobId ?? '')
    expect(Number(renewed?.lease_until)).toBeGreaterThan(Date.now() + 30_000)
    const [seen] = await db.query<{ age: string }>(
      `select extract(epoch from (now() at time zone 'utc') - last_seen_at) as age from claude_workers`,
    )
    expect(Number(seen?.age)).toBeLessThan(30)
  })

  it('renews no later claim of a job, nor one of another token, and tells which it is', async () => {
    const { db, userId, tokenId } = table()
    await clear()
    await job()
    const { identity } = await claim()
    const worker = { userId, tokenId, instanceId: 'here' }
    const before = await row(identity.jobId)
    for (const wrong of [{ claimedAt: '2020-01-01 00:00:00' }, { tokenId: 'another' }]) {
      const answer = await beat(db.pool, { ...worker, leaseSeconds: 600, held: [{ ...identity, ...wrong }] })
      expect(answer.held).toMatchObject([{ jobId: identity.jobId, status: 'CLAIMED', ours: false }])
      // Nobody remembers it as it is.
      expect(answer.strays).toHaveLength('claimedAt' in wrong ? 1 : 0)
    }
    expect(await row(identity.jobId)).toEqual(before)
  })

  it('renews a claim made with an earlier token of the user: a new token loses no job', async () => {
    const { db, userId, tokenId } = table()
    await clear()
    await job()
    const { identity } = await claim()
    const newer = String((await seed.token(db, { user_id: userId })).id)
    const worker = { userId, tokenId: newer, instanceId: 'here' }
    const answer = await beat(db.pool, { ...worker, leaseSeconds: 60, held: [identity] })
    expect(answer.held).toMatchObject([{ ours: true }])
    const forgotten = await beat(db.pool, { ...worker, leaseSeconds: 60, held: [] })
    expect(forgotten.strays).toEqual([{ jobId: identity.jobId, claimedAt: identity.claimedAt, tokenId }])
  })

  it('waits for no lock: a locked worker row and a locked job are skipped', async () => {
    const { db, userId, tokenId } = table()
    await clear()
    await job()
    const { identity } = await claim()
    const worker = { userId, tokenId, instanceId: 'here' }
    const ask = () => beat(db.pool, { ...worker, leaseSeconds: 60, held: [identity] })
    await holding('select * from claude_workers for update', [], async () => {
      expect(await ask()).toMatchObject({ present: true, renewed: false, held: [{ ours: true }] })
    })
    await holding('select * from claude_jobs for update', [], async () => {
      expect(await ask()).toMatchObject({ present: true, renewed: true, held: [{ ours: true }] })
    })
  })

  it('is of this machine alone: another one of the token is neither renewed nor taken for this', async () => {
    const { db, userId, tokenId } = table()
    const worker = { userId, tokenId, instanceId: 'here' }
    const there = { ...worker, instanceId: 'there' }
    for (const one of [worker, there]) await registerWorker(db.pool, one, { hostname: 'h', pid: 1 })
    await db.query(`update claude_workers set last_seen_at = 'epoch'`)
    const ask = () => beat(db.pool, { ...worker, leaseSeconds: 60, held: [] })
    expect(await ask()).toMatchObject({ present: true, renewed: true })
    const seen = async () =>
      db.query('select instance_id, last_seen_at > $1 as fresh from claude_workers order by 1', [
        '2020-01-01',
      ])
    expect(await seen()).toEqual([
      { instance_id: 'here', fresh: true },
      { instance_id: 'there', fresh: false },
    ])
    // Whoever registers is there at once, not from its first beat on.
    await registerWorker(db.pool, there, { hostname: 'h', pid: 2 })
    expect(await seen()).toContainEqual({ instance_id: 'there', fresh: true })
    await unregisterWorker(db.pool, worker)
    expect(await seen()).toEqual([{ instance_id: 'there', fresh: true }])
    // Nor is this machine's row of an earlier token.
    const earlier = { ...worker, tokenId: (await seed.token(db, { user_id: userId })).id }
    await registerWorker(db.pool, earlier, { hostname: 'h', pid: 1 })
    expect(await ask()).toMatchObject({ present: false, renewed: false })
  })

  it('sees a token that was revoked or has expired, and a worker row that is gone', async () => {
    const { db, userId, tokenId } = table()
    const worker = { userId, tokenId, instanceId: 'here' }
    const ask = (as = worker) => beat(db.pool, { ...as, leaseSeconds: 60, held: [] })
    expect(await ask()).toMatchObject({ tokenValid: true })
    const another = (await seed.user(db)).id
    expect(await ask({ ...worker, userId: another })).toMatchObject({ tokenValid: false })
    await db.query(
      `update api_tokens set expires_at = now() at time zone 'utc' - interval '1 second' where id = $1`,
      [tokenId],
    )
    expect(await ask()).toMatchObject({ tokenValid: false })
    await db.query('update api_tokens set expires_at = null, revoked_at = now() where id = $1', [tokenId])
    expect(await ask()).toMatchObject({ tokenValid: false })
    await db.query('update api_tokens set revoked_at = null where id = $1', [tokenId])
    await db.query('delete from claude_workers')
    expect(await ask()).toMatchObject({ tokenValid: true, present: false })
  })
})
