import { afterAll, afterEach, beforeAll, beforeEach, expect, it, vi } from 'vitest'
import type { BeatSnapshot } from '../../daemon/dispatch/beats.ts'
import { beat } from '../../daemon/presence/beat.ts'
import { seed } from '../support/seed.ts'
import { type HeldJob, Machine } from '../worktrees/matrix/machine.ts'

let machine: Machine
let job: HeldJob
let jobId: string

beforeAll(async () => {
  vi.useFakeTimers({ toFake: ['performance'] })
  machine = await Machine.open()
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

const { LEASE_SECONDS } = Machine
const rowOf = async (id: string) =>
  (await machine.db.query('select * from claude_jobs where id = $1', [id]))[0]

/** A heartbeat: the statement, what happens `meanwhile`, and what the answer means. */
async function heartbeat(
  options: { meanwhile?: () => Promise<unknown>; snapshot?: Partial<BeatSnapshot>; clockMs?: number } = {},
): Promise<void> {
  const { beats } = machine.dispatch
  const snapshot = { ...beats.snapshot(), ...options.snapshot }
  const { tokenId, instanceId } = job.claim.identity
  const held = [...snapshot.claims.values()].map((claim) => claim.identity)
  const answer = await beat(machine.db.pool, {
    ...{ userId: machine.userId, tokenId, instanceId, leaseSeconds: LEASE_SECONDS, held },
  })
  await options.meanwhile?.()
  await beats.apply(snapshot, { ...answer, clockMs: options.clockMs ?? answer.clockMs })
}

// First, because it is about the start.
it('others’ expired leases are taken back one lease after the start, and after an outage of our own', async () => {
  const expired = { status: 'CLAIMED', worker_instance_id: 'there', claimed_at: new Date(0) }
  const row = { ...expired, user_id: machine.userId, lease_until: new Date(0) }
  const dead = async () => (await seed.job(machine.db, row)).id
  // As of a short lease: a third of it, and some lateness.
  const interval = () => vi.advanceTimersByTime(LEASE_SECONDS * 1000 * 0.36)
  const taken = async (id: string) => (await rowOf(id))?.status === 'QUEUED'
  const afterALease = async (id: string) => {
    for (let beats = 0; beats < 3; beats += 1) {
      expect(await taken(id)).toBe(false)
      interval()
      await heartbeat()
    }
    expect(await taken(id)).toBe(true)
  }
  const first = await dead()
  await heartbeat()
  await afterALease(first)

  // Too long between two beats: our own leases were as dead, and others' machines may have been as far away.
  const second = await dead()
  vi.advanceTimersByTime(LEASE_SECONDS * 1000 * 0.6)
  await heartbeat()
  await afterALease(second)

  // The database's clock was set.
  const third = await dead()
  interval()
  await heartbeat({ clockMs: Date.now() + LEASE_SECONDS * 1000 })
  await heartbeat()
  await afterALease(third)

  // Its own lease ran out as well, and is its own.
  await machine.db.query(`update claude_jobs set lease_until = 'epoch' where id = $1`, [jobId])
  interval()
  await heartbeat({ snapshot: { claims: new Map() } })
  expect(await rowOf(jobId)).toMatchObject({ status: 'CLAIMED', retry_count: 0 })
})

it.each([
  ['taken', `update claude_jobs set worker_instance_id = 'another'`],
  ['taken', `update claude_jobs set status = 'FAILED', worker_instance_id = 'another'`],
  ['ended', `update claude_jobs set status = 'FAILED'`],
  ['cancelled', `update claude_jobs set status = 'CANCELLED'`],
  ['gone', 'delete from claude_jobs'],
])('a claim that is %s is lost, and its session is to be told', async (lost, sql) => {
  await machine.book.change(job.claim, { delivered: false })
  await machine.db.query(sql)
  await heartbeat()
  expect(machine.book.get(jobId)).toMatchObject({ state: 'lost', lost, delivered: true })
})

it('what ends a claim of an earlier daemon after a beat found it ours is no report of that one', async () => {
  await machine.book.load(job.claim.identity.instanceId)
  await heartbeat()
  await machine.db.query(`update claude_jobs set status = 'FAILED'`)
  await heartbeat()
  expect(machine.book.get(jobId)).toMatchObject({ state: 'lost', lost: 'ended' })
})

it('only a claim that stood still all the while is judged by a beat', async () => {
  await machine.db.query(`update claude_jobs set worker_instance_id = 'another'`)
  await heartbeat({ meanwhile: () => machine.book.change(job.claim, { running: true }) })
  expect(machine.book.get(jobId)?.state).toBe('held')

  let end = (): void => undefined
  const step = machine.book.exclusive(jobId, () => new Promise<void>((resolve) => (end = resolve)))
  await heartbeat()
  end()
  await step
  expect(machine.book.get(jobId)?.state).toBe('held')

  // Its report may have reached the database just before a crash: the delivery tells.
  await machine.book.change(job.claim, { state: 'reporting' })
  await heartbeat()
  expect(machine.book.get(jobId)?.state).toBe('reporting')
})

it('a claim of ours that nobody remembers is given back; not one that was begun since the beat left', async () => {
  const { tokenId, instanceId } = job.claim.identity
  const claimed = { claimed_by_token_id: tokenId, worker_instance_id: instanceId, claimed_at: new Date() }
  const forgotten = (await seed.job(machine.db, { ...claimed, user_id: machine.userId, status: 'CLAIMED' }))
    .id
  for (const fresh of [{ claimInFlight: true }, { claimsBegun: -1 }]) {
    await heartbeat({ snapshot: fresh })
    expect(await rowOf(forgotten)).toMatchObject({ status: 'CLAIMED' })
  }
  // Noted since.
  await heartbeat({ snapshot: { claims: new Map() } })
  await expect.poll(async () => (await rowOf(forgotten))?.status).toBe('QUEUED')
  expect(await rowOf(forgotten)).toMatchObject({ retry_count: 0, worker_instance_id: null })
  expect(await rowOf(jobId)).toMatchObject({ status: 'CLAIMED' })
  expect(machine.book.get(jobId)?.state).toBe('held')
})
