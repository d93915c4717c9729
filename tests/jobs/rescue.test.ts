import { describe, expect, it } from 'vitest'
import { rescueExpired } from '../../daemon/jobs/rescue.ts'
import { jobTable, NO_CLAIM } from '../support/job-table.ts'
import { seed } from '../support/seed.ts'

const { table, job, row, clear, holding } = jobTable()

describe('rescueExpired', () => {
  it('takes back expired leases twice, then fails the job; spares its own and the living', async () => {
    const { db, userId } = table()
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
    const { db, userId, tokenId } = table()
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
