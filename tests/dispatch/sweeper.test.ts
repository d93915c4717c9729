import { existsSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { type HeldJob, Machine } from '../worktrees/matrix/machine.ts'

const GRACE_SECONDS = 300
let machine: Machine
let job: HeldJob
let jobId: string

beforeEach(async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance'] })
  machine = await Machine.open(GRACE_SECONDS)
  job = await machine.hold()
  jobId = job.claim.identity.jobId
  await machine.dispatch.start()
})
afterEach(async () => {
  vi.useRealTimers()
  await machine.close()
})

/** A sweep every second; whatever it found due is under way when this returns. */
const seconds = (count: number) => vi.advanceTimersByTime(count * 1000)
const state = () => machine.book.get(jobId)?.state
const row = async () => (await machine.db.query('select * from claude_jobs'))[0]

function leftAlone(): void {
  expect(machine.book.isBusy(jobId)).toBe(false)
  expect(state()).toBe('held')
}

it('a session keeps its job while it is connected, and for the grace after it has gone', async () => {
  const { sessions } = machine.ports
  const connect = () =>
    sessions.connect('connection', {
      ...{ role: 'session', protocol: { min: 1, max: 1 }, version: '1', connectionId: 'c', sessionId: jobId },
      ...{ pid: 1, clientProcess: null, clientName: null, clientVersion: null, cwd: '/', repoRoots: {} },
      sshAuthSock: null,
    })
  seconds(GRACE_SECONDS - 1)
  leftAlone()
  await connect()
  seconds(2 * GRACE_SECONDS)
  leftAlone()
  sessions.close('connection')
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
  expect(await machine.engine.saved()).toMatchObject([{ jobId, n: 1 }])
  expect(await row()).toEqual(before)
})
