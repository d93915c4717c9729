import { describe, expect, it } from 'vitest'
import { attach } from '../../daemon/jobs/attach.ts'
import { readJob } from '../../daemon/jobs/read.ts'
import { fail, isReleasedAt, release } from '../../daemon/jobs/release.ts'
import { type Report, readReported, writeLateReport, writeReport } from '../../daemon/jobs/report.ts'
import { jobTable, NO_CLAIM } from '../support/job-table.ts'

const { table, job, row, clear, claim } = jobTable()
const done: Report = { status: 'DONE', branch: 'b', summary: 's', error: null, headSha: 'abc', pushed: true }

describe('writes by a claim’s identity', () => {
  it('every one refuses an identity that is over, and changes nothing', async () => {
    const { db, userId } = table()
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
    const { db } = table()
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
    const { db } = table()
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
    const { db } = table()
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
