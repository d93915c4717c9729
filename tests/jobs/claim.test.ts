import { describe, expect, it } from 'vitest'
import { claimNext } from '../../daemon/jobs/claim.ts'
import { countJobs, queuedProducts } from '../../daemon/jobs/read.ts'
import { jobTable } from '../support/job-table.ts'
import { testDatabase } from '../support/postgres.ts'
import { seed } from '../support/seed.ts'

const { table, request, job, row, clear, claim, holding } = jobTable()

describe('claimNext', () => {
  it('takes the oldest fitting job and leaves all others alone', async () => {
    const { db, userId, productId } = table()
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
    const { db } = table()
    await clear()
    const jobs = await Promise.all(Array.from({ length: 40 }, () => job()))
    const claims = await Promise.all(jobs.map(() => claim()))
    expect(new Set(claims.map((one) => one.identity.jobId))).toEqual(new Set(jobs))
    expect(await claimNext(db.pool, request())).toBeNull()
  })

  it.each(['products', 'tasks', 'stories'])('takes no job of which a policy hides the %s', async (hidden) => {
    const { db } = table()
    await clear()
    await job()
    const guest = await db.pool.connect()
    try {
      await guest.query(`begin; create role guest_of_${db.name}; grant all on all tables in schema public to guest_of_${db.name};
        alter table ${hidden} enable row level security; set local role guest_of_${db.name}`)
      expect(await claimNext(guest, request())).toBeNull()
      await guest.query('reset role')
      expect(await guest.query('select status from claude_jobs')).toMatchObject({
        rows: [{ status: 'QUEUED' }],
      })
    } finally {
      await guest.query('rollback')
      guest.release()
    }
  })

  it('takes one whose task is gone without a policy that could hide it, so that it can be ended', async () => {
    const { db } = table()
    await clear()
    const id = await job()
    const other = await db.pool.connect()
    try {
      // As on a database without the foreign key.
      await other.query('begin; set local session_replication_role = replica; delete from tasks')
      expect(await claimNext(other, request())).toMatchObject({ identity: { jobId: id }, task: null })
    } finally {
      await other.query('rollback')
      other.release()
    }
  })

  it('waits for no job that somebody keeps locked, and takes the next', async () => {
    const { db } = table()
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
    const { db, productId } = table()
    await clear()
    const task = await seed.task(db, { product_id: productId, implementation_plan: null })
    await job({ task_id: task.id })
    expect((await claim()).planSnapshot).toBe('')
  })
})

describe('reading', () => {
  it('counts the user’s unfinished jobs and names what waits, by product', async () => {
    const { db, userId, productId } = table()
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
