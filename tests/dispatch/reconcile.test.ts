import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import { judgeWorktrees } from '../../daemon/dispatch/reconcile.ts'
import { ClaimBook } from '../../daemon/jobs/claim-book.ts'
import { type ClaimRecord, type ClaimState, parseClaimRecord } from '../../daemon/jobs/claim-record.ts'
import { RecordStore } from '../../daemon/state/record-store.ts'
import { seed } from '../support/seed.ts'
import { type HeldJob, Machine } from '../worktrees/matrix/machine.ts'

let machine: Machine
let job: HeldJob
beforeAll(async () => {
  machine = await Machine.open()
  job = await machine.hold()
})
afterAll(() => machine.close())
beforeEach(() => machine.book.add(job.claim))

const HOURS = 3600_000
const here = 'test-instance'
const done = {
  status: 'DONE',
  branch: 'b',
  summary: null,
  error: null,
  headSha: null,
  pushed: false,
} as const

/** What becomes of the worktree: `keep`, or `remove` with what becomes of the branch; null: nobody knows. */
async function verdict(
  claim: Partial<ClaimRecord> | null,
  row: { status: string; on?: string | null },
): Promise<string | null> {
  const { jobId } = job.claim.identity
  await machine.setJobs({ status: row.status, worker_instance_id: row.on ?? null })
  if (claim === null) await machine.book.forget(job.claim)
  else await machine.book.add({ ...job.claim, ...claim })
  const found = (await judgeWorktrees(machine.ports, machine.userId, [jobId])).get(jobId)
  if (found === undefined) return null
  return found.action === 'keep' ? 'keep' : `remove, ${found.branch} ${found.ended ?? 'not ended'}`
}

it.each<ClaimState>([
  'preparing',
  'undelivered',
  'held',
  'reporting',
  'lost',
])('the worktree of a claim that is %s stays, whatever the database says', async (state) => {
  for (const status of ['QUEUED', 'RUNNING', 'DONE', 'CANCELLED'])
    expect(await verdict({ state }, { status })).toBe('keep')
})

it('of a held job that ended it goes when its own session asks', async () => {
  const { jobId } = job.claim.identity
  const asked = async (by: string, state: ClaimState, status: string) => {
    await machine.setJobs({ status, worker_instance_id: here })
    await machine.book.add({ ...job.claim, state })
    const askers = new Set([by])
    return (await judgeWorktrees(machine.ports, machine.userId, [jobId], askers)).get(jobId)?.action
  }
  const own = job.claim.owner?.key ?? ''
  for (const state of ['held', 'lost'] as const) {
    expect(await asked(own, state, 'FAILED')).toBe('remove')
    expect(await asked('another', state, 'FAILED')).toBe('keep')
    expect(await asked(own, state, 'RUNNING')).toBe('keep')
  }
  for (const state of ['preparing', 'undelivered', 'reporting'] as const)
    expect(await asked(own, state, 'FAILED')).toBe('keep')

  // Whose end an earlier daemon may have reported: the next heartbeat tells.
  await asked(own, 'held', 'DONE')
  const book = new ClaimBook(new RecordStore(join(machine.space.state, 'claims'), parseClaimRecord))
  await book.load(here)
  const ports = { ...machine.ports, book }
  const verdicts = await judgeWorktrees(ports, machine.userId, [jobId], new Set([own]))
  expect(verdicts.get(jobId)?.action).toBe('keep')
})

it('a session has asked for one run, also for one that it met half way', async () => {
  const { jobId } = job.claim.identity
  const own = job.claim.owner?.key ?? ''
  await machine.setJobs({ status: 'RUNNING', worker_instance_id: here })
  const first = machine.reconciler.run('another')
  await new Promise(setImmediate)
  await Promise.all([first, machine.reconciler.run(own)])
  await machine.setJobs({ status: 'FAILED', worker_instance_id: here })
  expect((await machine.reconciler.run('another')).kept).toMatchObject([{ job_id: jobId }])
  expect(machine.book.get(jobId)?.state).toBe('held')
})

it('of a job that ended: its branch stays only where it was done and reported here', async () => {
  expect(await verdict(null, { status: 'DONE', on: here })).toBe('remove, keep DONE')
  expect(await verdict(null, { status: 'DONE', on: 'there' })).toBe('remove, delete DONE')
  expect(await verdict({ state: 'released' }, { status: 'DONE', on: 'there' })).toBe('remove, delete DONE')
  expect(await verdict({ state: 'reported', report: done }, { status: 'DONE', on: here })).toBe(
    'remove, keep DONE',
  )
  const without = { ...done, branch: null }
  expect(await verdict({ state: 'reported', report: without }, { status: 'DONE', on: here })).toBe(
    'remove, delete DONE',
  )
  for (const status of ['FAILED', 'CANCELLED', 'SKIPPED'])
    expect(await verdict(null, { status, on: here })).toBe(`remove, delete ${status}`)
})

it('of a job that waits: it stays for a day after the release, and as long as nobody here knows of one', async () => {
  const ago = (hours: number) => ({
    state: 'released' as const,
    since: new Date(Date.now() - hours * HOURS).toISOString(),
  })
  expect(await verdict(null, { status: 'QUEUED' })).toBe('keep')
  expect(await verdict(ago(23.9), { status: 'QUEUED' })).toBe('keep')
  expect(await verdict(ago(24.1), { status: 'QUEUED' })).toBe('remove, keep not ended')
})

it('of a job that is claimed: it stays if it is under our name, also where nobody remembers it', async () => {
  for (const status of ['CLAIMED', 'RUNNING']) {
    expect(await verdict(null, { status, on: here })).toBe('keep')
    expect(await verdict(null, { status, on: 'there' })).toBe('remove, delete not ended')
    expect(await verdict({ state: 'released' }, { status, on: 'there' })).toBe('remove, delete not ended')
  }
})

it('of a job that is not this user’s, or that nobody has: no verdict', async () => {
  await machine.book.forget(job.claim)
  const foreign = (await seed.job(machine.db, { status: 'DONE' })).id
  expect(await judgeWorktrees(machine.ports, machine.userId, [foreign, 'nothing'])).toEqual(new Map())
})
