import { existsSync } from 'node:fs'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest'
import { Dispatch } from '../../daemon/dispatch/dispatch.ts'
import { DaemonError } from '../../daemon/errors.ts'
import { type Report, writeReport } from '../../daemon/jobs/report.ts'
import type { Session } from '../../daemon/sessions/session.ts'
import { type HeldJob, Machine } from '../worktrees/matrix/machine.ts'

let machine: Machine
let job: HeldJob
let jobId: string

beforeAll(async () => {
  machine = await Machine.open()
})
afterAll(() => machine.close())
beforeEach(async () => {
  job = await machine.hold()
  jobId = job.claim.identity.jobId
})
afterEach(() => machine.forgetJobs())

const REPORT: Report = {
  ...{ status: 'DONE', branch: null, summary: 'All of it.', error: null, headSha: null, pushed: false },
}
const row = async () => (await machine.db.query('select * from claude_jobs where id = $1', [jobId]))[0]
const onDisk = async (): Promise<unknown> =>
  JSON.parse(await readFile(join(machine.space.state, 'claims', `${jobId}.json`), 'utf8'))

/** The report waits on disk; one heartbeat later. */
async function spooled(identity = job.claim.identity): Promise<void> {
  await machine.book.add({ ...job.claim, identity, state: 'reporting', report: REPORT })
  machine.dispatch.delivery.deliverSpooled()
  await expect.poll(() => machine.book.get(jobId)?.state).not.toBe('reporting')
}

it('a final report is on disk before the database hears of it', async () => {
  const person = await machine.db.pool.connect()
  try {
    await person.query('begin')
    await person.query('select 1 from claude_jobs for update')
    const reported = machine.report(job, 'done', null)
    await expect.poll(onDisk).toMatchObject({ state: 'reporting', report: { status: 'DONE' } })
    expect(await row()).toMatchObject({ status: 'CLAIMED' })
    await person.query('rollback')
    await reported
  } finally {
    person.release()
  }
  expect(await row()).toMatchObject({ status: 'DONE' })
  expect(await onDisk()).toMatchObject({ state: 'reported' })
})

it('a report that the database took just before a crash is not taken for another’s', async () => {
  await writeReport(machine.db.pool, job.claim.identity, REPORT)
  const before = await row()
  await spooled()
  expect(machine.book.get(jobId)?.state).toBe('reported')
  expect(await row()).toEqual(before)
  expect(existsSync(job.path)).toBe(false)
})

it.each([
  ['test-instance', 'JOB_TERMINAL'],
  ['another', 'OWNERSHIP_LOST'],
])('a job that was ended, and is %s’s, answers a report with %s', async (worker_instance_id, code) => {
  await machine.setJobs({ status: 'FAILED', worker_instance_id })
  await expect(machine.report(job, 'done', null)).rejects.toMatchObject({ code })
})

it('a report without effect on a claim that is held all the same waits on disk, and is no loss', async () => {
  await machine.whileNothingChanges(() => machine.report(job, 'done', null))
  expect(machine.book.get(jobId)).toMatchObject({ state: 'reporting' })
  expect(existsSync(job.path)).toBe(true)
  machine.dispatch.delivery.deliverSpooled()
  await expect.poll(() => machine.book.get(jobId)?.state).toBe('reported')
  expect(await row()).toMatchObject({ status: 'DONE' })
})

it('a report that comes too late is noted for a person, and changes nothing of the new owner’s', async () => {
  await writeFile(join(job.path, 'work.txt'), 'work')
  await machine.setJobs({ status: 'RUNNING', worker_instance_id: 'another' })
  const before = await row()
  await spooled()
  expect(machine.book.get(jobId)).toMatchObject({ state: 'lost', lost: 'taken' })
  expect(machine.ports.superseded.recent).toMatchObject([{ jobId, status: 'DONE', summary: 'All of it.' }])
  expect(await row()).toEqual(before)
  expect(existsSync(join(job.path, 'work.txt'))).toBe(true)
})

it('a report of another instance of this home counts, and leaves the worktree, which may be in use again', async () => {
  await machine.setJobs({ status: 'RUNNING', worker_instance_id: 'another' })
  await spooled({ ...job.claim.identity, instanceId: 'another' })
  expect(machine.book.get(jobId)?.state).toBe('reported')
  expect(await row()).toMatchObject({ status: 'DONE', summary: 'All of it.' })
  expect(existsSync(job.path)).toBe(true)
})

it.each([
  'DATABASE_UNAVAILABLE',
  'UNAUTHORIZED',
] as const)('while the database cannot be written to (%s), a report is kept on disk, or refused where no disk takes it', async (code) => {
  const authority = {
    ready: async () => {
      throw new DaemonError(code, 'not now', 'Wait.')
    },
    current: () => null,
    lost: () => undefined,
  }
  const { reports } = new Dispatch({ ...machine.ports, authority }, () => undefined)
  const session = await machine.connect(jobId)
  const input = { jobId, status: 'done', branch: null, summary: null, error: null } as const
  const file = join(machine.space.state, 'claims', `${jobId}.json`)
  await rm(file)
  await mkdir(join(file, 'in the way'), { recursive: true })
  await expect(reports.report(session, input)).rejects.toMatchObject({ code: 'DISK_LOW' })
  expect(machine.book.get(jobId)).toMatchObject({ state: 'held', report: null })

  await rm(file, { recursive: true })
  expect(await reports.report(session, input)).toMatchObject({ delivered: false, worktree: 'kept' })
  expect(await onDisk()).toMatchObject({ state: 'reporting', report: { status: 'DONE' } })
})

it('a job given back is still its session’s to report on, and no other’s', async () => {
  expect(await machine.dispatch.giveBack(jobId)).toBe(true)
  expect(await row()).toMatchObject({ status: 'QUEUED' })
  const stranger = await machine.connect(`stranger to ${jobId}`)
  const input = { jobId, status: 'done', branch: null, summary: null, error: null } as const
  await expect(machine.dispatch.reports.report(stranger, input)).rejects.toThrow(/not held by this session/)
  expect(await row()).toMatchObject({ status: 'QUEUED' })
  await machine.report(job, 'done', null)
  expect(await row()).toMatchObject({ status: 'DONE' })
})

it('a session that has a job takes over no other by reporting on it', async () => {
  const busy = await machine.hold()
  const session = await machine.connect(busy.claim.identity.jobId)
  const free = await machine.connect(`free for ${jobId}`)
  const input = { jobId, status: 'failed', branch: null, summary: null, error: null } as const
  const isRefused = (by: Session) =>
    expect(machine.dispatch.reports.report(by, input)).rejects.toThrow(/not held by this session/)
  await isRefused(free)
  await machine.book.change(job.claim, { owner: null })
  await isRefused(session)
  expect(machine.book.get(jobId)?.state).toBe('held')
  // One that has none may, when the owner is nobody.
  expect(await machine.dispatch.reports.report(free, input)).toMatchObject({ status: 'failed' })
})
