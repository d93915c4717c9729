import { existsSync } from 'node:fs'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, expect, it, vi } from 'vitest'
import { type HeldJob, Machine } from '../worktrees/matrix/machine.ts'

const GRACE_SECONDS = 300
let machine: Machine
let job: HeldJob
let jobId: string

beforeAll(async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance'] })
  machine = await Machine.open(GRACE_SECONDS)
  await machine.dispatch.start()
})
afterAll(async () => {
  vi.useRealTimers()
  await machine.close()
})
beforeEach(async () => {
  job = await machine.hold()
  jobId = job.claim.identity.jobId
})
afterEach(() => machine.forgetJobs())

/** A sweep every second; whatever it found due is under way when this returns. */
const seconds = (count: number) => vi.advanceTimersByTime(count * 1000)
const state = () => machine.book.get(jobId)?.state
const row = async () => (await machine.db.query('select * from claude_jobs'))[0]

function leftAlone(): void {
  expect(machine.book.isBusy(jobId)).toBe(false)
  expect(state()).toBe('held')
}

it('a session keeps its job while it is connected, and for the grace after it has gone', async () => {
  // That it received the job was never heard of, and yet it may have worked.
  await machine.book.change(job.claim, { delivered: false, worked: false })
  seconds(GRACE_SECONDS - 1)
  leftAlone()
  await machine.connect(jobId)
  seconds(2 * GRACE_SECONDS)
  leftAlone()
  machine.ports.sessions.close(jobId)
  seconds(GRACE_SECONDS)
  leftAlone()

  seconds(2)
  await expect.poll(state).toBe('released')
  expect(await row()).toMatchObject({ status: 'QUEUED', worker_instance_id: null, retry_count: 0 })
  expect(existsSync(job.path)).toBe(true)
})

it.each([
  [false, 'goes with its worktree, which nobody ever saw'],
  [true, 'keeps its worktree, where somebody may have worked'],
])('a claim that nobody received (worked on before: %s) is released after ten seconds and %s', async (worked) => {
  await machine.book.change(job.claim, { state: 'undelivered', delivered: false, worked })
  seconds(10)
  expect(machine.book.isBusy(jobId)).toBe(false)
  seconds(2)
  await expect.poll(() => machine.book.isBusy(jobId)).toBe(false)
  expect(await row()).toMatchObject({ status: 'QUEUED', worker_instance_id: null })
  expect(state()).toBe(worked ? 'released' : undefined)
  expect(existsSync(job.path)).toBe(worked)
})

it('a claim that turns out to be another’s when it is released is lost: its work is saved, the row left alone', async () => {
  await writeFile(join(job.path, 'work.txt'), 'work')
  await machine.setJobs({ status: 'RUNNING', worker_instance_id: 'another' })
  const before = await row()
  seconds(GRACE_SECONDS + 1)
  await expect.poll(state).toBe('lost')
  expect(existsSync(job.path)).toBe(true)
  await expect.poll(() => machine.book.isBusy(jobId)).toBe(false)
  seconds(1)
  await expect.poll(state).toBeUndefined()
  expect(existsSync(job.path)).toBe(false)
  expect((await machine.engine.saved()).map((one) => one.jobId)).toContain(jobId)
  expect(await row()).toEqual(before)
})

it('a lost claim’s worktree waits until its session was told, is gone for good, or has not asked for a minute', async () => {
  const [told, gone, silent] = [job, await machine.hold(), await machine.hold()]
  for (const { claim } of [told, gone, silent]) {
    await machine.connect(claim.identity.jobId)
    await machine.book.change(claim, { state: 'lost', lost: 'taken' })
  }
  const there = () => [told, gone, silent].map(({ path }) => existsSync(path))
  const isBusy = () => machine.book.all().some(({ identity }) => machine.book.isBusy(identity.jobId))
  const settled = async (expected: readonly boolean[]) => {
    await expect.poll(isBusy).toBe(false)
    expect(there()).toEqual(expected)
  }
  seconds(40)
  machine.ports.sessions.close(gone.claim.identity.jobId)
  seconds(10)
  expect(isBusy()).toBe(false)
  await machine.book.change(told.claim, { delivered: false })
  seconds(1)
  await settled([false, false, true])
  seconds(8)
  expect(isBusy()).toBe(false)
  seconds(2)
  await settled([false, false, false])
  expect(machine.book.all()).toEqual([])
})

it('a lost claim of another instance of this home is forgotten, and its worktree left alone', async () => {
  const identity = { ...job.claim.identity, instanceId: 'another' }
  await machine.book.add({ ...job.claim, identity, state: 'lost', delivered: false })
  seconds(1)
  await expect.poll(state).toBeUndefined()
  await expect.poll(() => machine.book.isBusy(jobId)).toBe(false)
  expect(existsSync(job.path)).toBe(true)
})

it('what the disk did not take is written as soon as it can be', async () => {
  const inTheWay = join(machine.space.state, 'claims', `${jobId}.json`)
  await rm(inTheWay)
  await mkdir(join(inTheWay, 'x'), { recursive: true })
  await expect(machine.book.change(job.claim, { running: false })).rejects.toThrow()
  await rm(inTheWay, { recursive: true })
  seconds(1)
  await expect.poll(() => machine.book.fault).toBeNull()
  expect(JSON.parse(await readFile(inTheWay, 'utf8'))).toMatchObject({ running: false })
})
