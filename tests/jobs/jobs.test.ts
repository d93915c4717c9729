import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { attach } from '../../daemon/jobs/attach.ts'
import { type ClaimedJob, type ClaimRequest, claimNext } from '../../daemon/jobs/claim.ts'
import { countJobs, queuedProducts, readJob } from '../../daemon/jobs/read.ts'
import { fail, isReleasedAt, release } from '../../daemon/jobs/release.ts'
import { type Report, readReported, writeLateReport, writeReport } from '../../daemon/jobs/report.ts'
import { rescueExpired } from '../../daemon/jobs/rescue.ts'
import { beat } from '../../daemon/presence/beat.ts'
import { registerWorker, unregisterWorker } from '../../daemon/presence/worker-row.ts'
import { type TestDatabase, testDatabase } from '../support/postgres.ts'
import { seed } from '../support/seed.ts'

let db: TestDatabase
let userId: string
let tokenId: string
let productId: string

beforeAll(async () => {
  db = await testDatabase()
  userId = String((await seed.user(db)).id)
  tokenId = String((await seed.token(db, { user_id: userId })).id)
  productId = String((await seed.product(db, { user_id: userId })).id)
})
afterAll(() => db.drop())

const request = (more: Partial<ClaimRequest> = {}): ClaimRequest => ({
  ...{
    userId,
    tokenId,
    instanceId: 'here',
    leaseSeconds: 60,
    products: [productId],
    exclude: [],
    markers: [],
  },
  ...more,
})
const job = async (row: Record<string, unknown> = {}) =>
  String((await seed.job(db, { product_id: productId, user_id: userId, ...row })).id)
const row = async (id: string) => (await db.query('select * from claude_jobs where id = $1', [id]))[0]
const clear = () => db.query('delete from claude_jobs')
const NO_CLAIM = {
  ...{ claimed_by_token_id: null, worker_instance_id: null, claimed_at: null, lease_until: null },
  ...{ started_at: null, plan_snapshot: null, branch: null, base_sha: null },
}
const done: Report = { status: 'DONE', branch: 'b', summary: 's', error: null, headSha: 'abc', pushed: true }

async function claim(more: Partial<ClaimRequest> = {}): Promise<ClaimedJob> {
  const claimed = await claimNext(db.pool, request(more))
  if (claimed === null) throw new Error('nothing to claim')
  return claimed
}

/** While somebody has rows locked; not for so long that one who waits for them waits for ever. */
async function holding(sql: string, values: unknown[], work: () => Promise<void>): Promise<void> {
  const person = await db.pool.connect()
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
}

describe('claimNext', () => {
  it('takes the oldest fitting job and leaves all others alone', async () => {
    await clear()
    const other = await seed.product(db)
    const second = await seed.product(db, { user_id: userId })
    await job({ product_id: second.id, created_at: new Date(1_000) })
    await job({ status: 'DONE', created_at: new Date(1_000) })
    await job({ task_id: null, created_at: new Date(1_000) })
    await seed.job(db, { created_at: new Date(1_000) })
    // A member's job for the same product.
    await seed.job(db, { product_id: productId, user_id: other.user_id, created_at: new Date(1_000) })
    const resting = await job({ created_at: new Date(2_000) })
    // What an earlier attempt left in it.
    const stale = { branch: 'b', head_sha: 'h', pushed_at: new Date(1), error: 'e', finished_at: new Date(1) }
    const oldest = await job({ ...stale, created_at: new Date(3_000) })
    await job({ created_at: new Date(4_000) })
    const claimed = await claim({ exclude: [resting] })
    expect(claimed.identity.jobId).toBe(oldest)
    expect(claimed).toMatchObject({ attempt: 1, planSnapshot: 'Do it.', productId })
    expect(claimed.task).toMatchObject({ title: expect.any(String), implementation_plan: 'Do it.' })
    const taken = await row(oldest)
    expect(taken).toMatchObject({
      status: 'CLAIMED',
      worker_instance_id: 'here',
      plan_snapshot: 'Do it.',
      ...{ branch: null, head_sha: null, pushed_at: null, error: null, finished_at: null },
    })
    // From this statement on: a daemon that dies before its first beat must not keep the job for ever.
    expect(Number(taken?.lease_until) - Number(taken?.claimed_at)).toBe(60_000)
    expect(await claimNext(db.pool, request({ products: [] }))).toBeNull()
  })

  it('gives 40 concurrent claims 40 different jobs', async () => {
    await clear()
    const jobs = await Promise.all(Array.from({ length: 40 }, () => job()))
    const claims = await Promise.all(jobs.map(() => claim()))
    expect(new Set(claims.map((one) => one.identity.jobId))).toEqual(new Set(jobs))
    expect(await claimNext(db.pool, request())).toBeNull()
  })

  it('waits for no job that somebody keeps locked, and takes the next', async () => {
    await clear()
    const locked = await job({ created_at: new Date(1_000) })
    const next = await job({ created_at: new Date(2_000) })
    await holding('select 1 from claude_jobs where id = $1 for update', [locked], async () => {
      expect((await claim()).identity.jobId).toBe(next)
      expect(await claimNext(db.pool, request())).toBeNull()
    })
  })

  it('leaves alone what a newer Scrum4Me marks for others, where it has the columns', async () => {
    const newer = await testDatabase()
    try {
      const user = String((await seed.user(newer)).id)
      const token = String((await seed.token(newer, { user_id: user })).id)
      const product = String((await seed.product(newer, { user_id: user })).id)
      await newer.query(
        `alter table claude_jobs add sprint_run_id text, add runtime text, add required_capability text`,
      )
      await newer.query(`alter type "ClaudeJobKind" add value 'ANOTHER'`)
      const marked = { product_id: product, user_id: user }
      await seed.job(newer, { ...marked, kind: 'ANOTHER', created_at: new Date(0) })
      await seed.job(newer, { ...marked, sprint_run_id: 'r', created_at: new Date(1) })
      await seed.job(newer, { ...marked, runtime: 'OTHER', created_at: new Date(2) })
      await seed.job(newer, { ...marked, required_capability: 'gpu', created_at: new Date(3) })
      const ours = await seed.job(newer, { ...marked, runtime: 'CLAUDE', created_at: new Date(4) })
      const wanted = request({
        ...{ userId: user, tokenId: token, products: [product] },
        markers: ['sprint_run_id', 'runtime', 'required_capability'],
      })
      expect((await claimNext(newer.pool, wanted))?.identity.jobId).toBe(ours.id)
      expect(await claimNext(newer.pool, wanted)).toBeNull()
    } finally {
      await newer.drop()
    }
  })

  it('a task without a plan has an empty snapshot', async () => {
    await clear()
    const task = await seed.task(db, { product_id: productId, implementation_plan: null })
    await job({ task_id: task.id })
    expect((await claim()).planSnapshot).toBe('')
  })
})

describe('writes by a claim’s identity', () => {
  it('every one refuses an identity that is over, and changes nothing', async () => {
    await clear()
    const id = await job()
    const { identity } = await claim()
    const stale = { ...identity, claimedAt: '2020-01-01 00:00:00' }
    const before = await row(id)
    expect(await attach(db.pool, stale, { branch: 'x', baseSha: 'y' })).toBe(false)
    expect(await release(db.pool, stale)).toBeNull()
    expect(await fail(db.pool, stale, 'x')).toBe(false)
    expect(await writeReport(db.pool, stale, done)).toBeNull()
    expect(await writeReport(db.pool, { ...identity, instanceId: 'there' }, done)).toBeNull()
    expect(await writeReport(db.pool, { ...identity, tokenId: 'x' }, done)).toBeNull()
    expect(await row(id)).toEqual(before)
    expect(await attach(db.pool, identity, { branch: 'b', baseSha: 'sha' })).toBe(true)
    expect(await writeReport(db.pool, identity, { ...done, status: 'RUNNING' })).toMatchObject({
      status: 'RUNNING',
    })
    expect(await writeReport(db.pool, identity, done)).toMatchObject({
      status: 'DONE',
      branch: 'b',
      summary: 's',
    })
    // Terminal: the same owner cannot write again, either.
    expect(await writeReport(db.pool, identity, { ...done, status: 'FAILED' })).toBeNull()
    expect(await readJob(db.pool, userId, id)).toMatchObject({ status: 'DONE' })
    expect(await readJob(db.pool, 'somebody', id)).toBeNull()
  })

  it('an ended job is known again by the claim that ended it, and by no other', async () => {
    await clear()
    await job()
    const { identity } = await claim()
    expect(await readReported(db.pool, identity, 'DONE')).toBeNull()
    await writeReport(db.pool, identity, { ...done, branch: null })
    expect(await readReported(db.pool, identity, 'DONE')).toMatchObject({ status: 'DONE', branch: null })
    expect(await readReported(db.pool, identity, 'FAILED')).toBeNull()
    const others = [{ tokenId: 'x' }, { instanceId: 'there' }, { claimedAt: '2020-01-01 00:00:00' }]
    for (const other of others)
      expect(await readReported(db.pool, { ...identity, ...other }, 'DONE')).toBeNull()
  })

  it('a release clears all of the claim, and is known again by its time alone', async () => {
    await clear()
    const id = await job()
    const { identity } = await claim()
    await attach(db.pool, identity, { branch: 'b', baseSha: 'sha' })
    await writeReport(db.pool, identity, { ...done, status: 'RUNNING' })
    const at = '2030-01-02 03:04:05.678'
    expect(await isReleasedAt(db.pool, id, at)).toBe(false)
    expect(await release(db.pool, identity, at)).toBe(at)
    expect(await row(id)).toMatchObject({ status: 'QUEUED', retry_count: 0, ...NO_CLAIM })
    expect(await isReleasedAt(db.pool, id, at)).toBe(true)
    expect(await isReleasedAt(db.pool, id, '2030-01-02 03:04:05.679')).toBe(false)
    await db.query(`update claude_jobs set status = 'CANCELLED' where id = $1`, [id])
    expect(await isReleasedAt(db.pool, id, at)).toBe(false)
    expect(await writeLateReport(db.pool, identity, at, done)).toBeNull()
  })

  it('a late report counts while the released job is untouched, and not after', async () => {
    await clear()
    const id = await job()
    const first = await claim()
    const releasedAt = (await release(db.pool, first.identity)) ?? ''
    expect(await row(id)).toMatchObject({ status: 'QUEUED', claimed_at: null, worker_instance_id: null })
    expect(await writeLateReport(db.pool, first.identity, releasedAt, done)).toMatchObject({ status: 'DONE' })

    const again = await job()
    const second = await claim()
    const released = (await release(db.pool, second.identity)) ?? ''
    const heir = await claim({ instanceId: 'there' })
    expect(heir.identity.jobId).toBe(again)
    expect(await writeLateReport(db.pool, second.identity, released, done)).toBeNull()
    await release(db.pool, heir.identity)
    expect(await writeLateReport(db.pool, second.identity, released, done)).toBeNull()
  })
})

describe('rescueExpired', () => {
  it('takes back expired leases twice, then fails the job; spares its own and the living', async () => {
    await clear()
    const expired = { lease_until: new Date(Date.now() - 1_000), claimed_at: new Date(), status: 'CLAIMED' }
    const [fresh, last, own, live, web] = await Promise.all([
      job({ ...expired, worker_instance_id: 'gone' }),
      job({ ...expired, worker_instance_id: 'gone', retry_count: 2 }),
      job({ ...expired, worker_instance_id: 'here' }),
      job({ ...expired, worker_instance_id: 'gone', lease_until: new Date(Date.now() + 60_000) }),
      job({ ...expired, worker_instance_id: null }),
    ])
    const rescued = await rescueExpired(db.pool, { userId, instanceId: 'here', own: [own] })
    expect(new Set(rescued.map((one) => `${one.jobId} ${one.status}`))).toEqual(
      new Set([`${fresh} QUEUED`, `${last} FAILED`]),
    )
    expect(await row(fresh)).toMatchObject({ status: 'QUEUED', retry_count: 1, claimed_at: null })
    expect((await row(last))?.error).toMatch(/lease expired 3 times/)
    for (const spared of [own, live, web]) expect(await row(spared)).toMatchObject({ status: 'CLAIMED' })
  })

  it('spares other users, ended jobs and locked rows; clears all of the claim, whoever held it', async () => {
    await clear()
    const at = new Date(Date.now() - 60_000)
    const old = {
      status: 'CLAIMED',
      claimed_by_token_id: tokenId,
      claimed_at: at,
      started_at: at,
      branch: 'b',
    }
    const expired = { ...old, base_sha: 's', plan_snapshot: 'p', worker_instance_id: 'here', lease_until: at }
    const [taken, forgotten, last, ended, locked] = await Promise.all([
      // Remembered here as ours, and another's by now.
      job({ ...expired, worker_instance_id: 'there' }),
      job(expired),
      job({ ...expired, retry_count: 2 }),
      job({ ...expired, status: 'CANCELLED' }),
      job(expired),
    ])
    const foreign = (await seed.job(db, expired)).id
    await holding('select 1 from claude_jobs where id = $1 for update', [locked], async () => {
      const rescued = await rescueExpired(db.pool, { userId, instanceId: 'here', own: [taken] })
      expect(rescued.map((one) => one.jobId).sort()).toEqual([taken, forgotten, last].sort())
    })
    for (const id of [taken, forgotten])
      expect(await row(id)).toMatchObject({ status: 'QUEUED', ...NO_CLAIM })
    const failed = await row(last)
    expect(failed).toMatchObject({ status: 'FAILED', retry_count: 2, ...NO_CLAIM })
    expect(failed?.finished_at).toBeInstanceOf(Date)
    expect(await row(ended)).toMatchObject({ status: 'CANCELLED' })
    for (const id of [foreign, locked]) expect(await row(id)).toMatchObject({ status: 'CLAIMED' })
  })
})

describe('beat', () => {
  it('renews presence and leases, and says what is no longer ours, what is stray, and whether jobs wait', async () => {
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

describe('reading', () => {
  it('counts the user’s unfinished jobs and names what waits, by product', async () => {
    await clear()
    const older = await job({ created_at: new Date(1_000) })
    await job()
    await seed.job(db)
    const none = { claimed: 0, running: 0 }
    expect(await countJobs(db.pool, userId, [productId])).toEqual({ queued: 2, without_clone: 0, ...none })
    expect(await countJobs(db.pool, userId, [])).toEqual({ queued: 2, without_clone: 2, ...none })
    expect(await queuedProducts(db.pool, userId, [])).toMatchObject([
      { productId, oldestJobId: older, jobs: 2 },
    ])
  })
})
