import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest'
import type { Session } from '../../daemon/sessions/session.ts'
import { seed } from '../support/seed.ts'
import { type HeldJob, Machine } from '../worktrees/matrix/machine.ts'

let machine: Machine
let job: HeldJob
let jobId: string
let waiter: Session

beforeAll(async () => {
  machine = await Machine.open(300)
})
afterAll(() => machine.close())
beforeEach(async () => {
  job = await machine.hold()
  jobId = job.claim.identity.jobId
  waiter = await machine.connect(`waiter of ${jobId}`)
})
afterEach(() => machine.forgetJobs())

/** What a session gets that waits until the claim loop has passed over it. */
async function wait(session = waiter) {
  const calledOff = new AbortController()
  const waiting = machine.dispatch.waits.wait(session, {
    ...{ productId: null, waitMs: 20_000, signal: calledOff.signal },
  })
  let isOver = false
  const over = () => {
    isOver = true
  }
  waiting.then(over, over)
  const { queue, loop } = machine.dispatch
  await expect.poll(() => isOver || queue.all().length > 0).toBe(true)
  await loop.pass
  // A claim that is prepared for it may come to nothing; then it stands in line once more.
  await expect.poll(() => isOver || queue.all().every(({ assigned }) => !assigned)).toBe(true)
  await loop.pass
  calledOff.abort()
  return waiting
}

it.each([
  'reporting',
  'lost',
] as const)('a job that is free in the database while its claim here is %s is not claimed', async (state) => {
  await machine.book.change(job.claim, { state })
  await machine.setJobs({ status: 'QUEUED', worker_instance_id: null })
  expect(await wait()).toMatchObject({ kind: 'timeout' })
  expect(machine.book.get(jobId)?.identity).toEqual(job.claim.identity)
  // Once it is over here, it is.
  await machine.book.change(job.claim, { state: 'released' })
  expect(await wait()).toMatchObject({ kind: 'job', jobId, resumed: true })
})

it.each([
  true,
  false,
])('the answer with a job leaves when the disk knows whose it is, and says whether another had it (%s)', async (received) => {
  await machine.book.change(job.claim, { state: 'undelivered', delivered: received, worked: false })
  const { signal } = new AbortController()
  const answer = await machine.dispatch.waits.wait(waiter, { productId: null, waitMs: 20_000, signal })
  // In this very moment.
  const record = readFileSync(join(machine.space.state, 'claims', `${jobId}.json`), 'utf8')
  expect(answer).toMatchObject({ kind: 'job', jobId, resumed: received })
  expect(JSON.parse(record)).toMatchObject({
    state: 'held',
    owner: { key: waiter.ref.key },
    delivered: false,
  })
  expect(await machine.dispatch.giveBack(jobId)).toBe(true)
})

it('a session for which a job is being prepared, its call being over, is given no second one', async () => {
  await machine.book.change(job.claim, { state: 'preparing', owner: waiter.ref })
  const { productId, userId } = job.claim
  const second = await seed.job(machine.db, { product_id: productId, user_id: userId })
  expect(await wait()).toMatchObject({ kind: 'timeout' })
  expect(machine.book.get(second.id)).toBeUndefined()
})

it('a worktree that outlived our memory of its job may have been worked in: the answer says so', async () => {
  await machine.book.forget(job.claim)
  await machine.setJobs({ status: 'QUEUED', worker_instance_id: null })
  expect(await wait()).toMatchObject({ kind: 'job', jobId, resumed: true })
})

it('a job that another has taken by the time its worktree is made is given to nobody', async () => {
  await machine.book.change(job.claim, { state: 'undelivered', delivered: true })
  await machine.setJobs({ status: 'RUNNING', worker_instance_id: 'another' })
  const [row] = await machine.db.query('select * from claude_jobs')
  expect(await wait()).toMatchObject({ kind: 'timeout' })
  expect(machine.book.get(jobId)).toMatchObject({ state: 'lost', lost: 'taken' })
  expect(await machine.db.query('select * from claude_jobs')).toEqual([row])
})

it('a job that its session holds, or may be back for, is given to no other', async () => {
  expect(await wait()).toMatchObject({ kind: 'timeout' })
  const owner = await machine.connect(jobId)
  expect(await wait()).toMatchObject({ kind: 'timeout' })
  expect(machine.book.get(jobId)).toMatchObject({ state: 'held', owner: job.claim.owner })
  const signal = new AbortController().signal
  const again = machine.dispatch.waits.wait(owner, { productId: 'another', waitMs: 1_000, signal })
  expect(await again).toMatchObject({ kind: 'job', jobId, resumed: true })
})

it('a claim in which the database notes no worktree rests here, and is not taken for another’s', async () => {
  await machine.book.change(job.claim, { state: 'undelivered', delivered: true })
  await machine.whileNothingChanges(() =>
    expect(wait()).rejects.toMatchObject({ code: 'DATABASE_UNAVAILABLE' }),
  )
  expect(machine.book.get(jobId)).toMatchObject({ state: 'undelivered' })
  expect(machine.dispatch.backoff.failures()).toMatchObject([{ jobId, tries: 1 }])
})

it('a job that the database lets nobody claim rests here, and keeps no other waiting', async () => {
  await machine.book.forget(job.claim)
  await machine.setJobs({ status: 'QUEUED', worker_instance_id: null })
  const { productId, userId } = job.claim
  const next = await seed.job(machine.db, { product_id: productId, user_id: userId })
  await machine.db.query(
    `alter table claude_jobs add constraint nobody check (id <> '${jobId}' or status = 'QUEUED')`,
  )
  try {
    expect(await wait()).toMatchObject({ kind: 'job', jobId: next.id })
  } finally {
    await machine.db.query('alter table claude_jobs drop constraint nobody')
  }
  expect(machine.dispatch.backoff.failures()).toContainEqual(
    expect.objectContaining({
      ...{ jobId, error: expect.objectContaining({ message: expect.stringContaining('nobody') }) },
    }),
  )
})
