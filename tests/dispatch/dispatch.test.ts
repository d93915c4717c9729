import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest'
import { mayAdopt } from '../../daemon/dispatch/ownership.ts'
import type { ClaimRecord } from '../../daemon/jobs/claim-record.ts'
import type { Session } from '../../daemon/sessions/session.ts'
import { type HeldJob, Machine } from '../worktrees/matrix/machine.ts'

let machine: Machine
let job: HeldJob
let jobId: string
let owner: Session

beforeAll(async () => {
  machine = await Machine.open(300)
})
afterAll(() => machine.close())
beforeEach(async () => {
  job = await machine.hold()
  jobId = job.claim.identity.jobId
  owner = await machine.connect(jobId)
  await machine.book.add({ ...job.claim, delivered: false, worked: false })
})
afterEach(() => machine.forgetJobs())

const claim = () => machine.book.get(jobId)
const held = { state: 'held', delivered: false, worked: false }

it.each([
  ['not received', false],
  ['unsure', true],
] as const)('an answer that was %s leaves the claim undelivered; worked on, as far as is known: %s', async (how, worked) => {
  const { dispatch } = machine
  await dispatch.undelivered(owner, jobId, how, dispatch.answered(jobId))
  expect(claim()).toMatchObject({ state: 'undelivered', worked })
})

it('the loss of an answer takes nothing from whoever has the job by a newer one, received it, or is another', async () => {
  const { dispatch } = machine
  const stranger = await machine.connect(`stranger to ${jobId}`)
  const [older, newer] = [dispatch.answered(jobId), dispatch.answered(jobId)]
  await dispatch.undelivered(owner, jobId, 'not received', older)
  await dispatch.undelivered(stranger, jobId, 'not received', newer)
  expect(claim()).toMatchObject(held)
  await dispatch.delivered(stranger, jobId)
  expect(claim()).toMatchObject(held)
  await dispatch.delivered(owner, jobId)
  expect(claim()).toMatchObject({ ...held, delivered: true })
  await dispatch.undelivered(owner, jobId, 'not received', newer)
  expect(claim()).toMatchObject({ ...held, delivered: true })
})

it('what an earlier daemon was about is taken up: offered again, worked on perhaps, its sessions expected back', async () => {
  const earlier = {
    key: `earlier ${jobId}`,
    sessionId: 'earlier',
    clientProcess: { pid: 999_999_999, startedAt: '1' },
  }
  await machine.book.add({ ...job.claim, owner: earlier, delivered: false, worked: false })
  const other = await machine.hold()
  await machine.book.change(other.claim, { state: 'preparing' })
  machine.dispatch.takeUp()
  expect(claim()).toMatchObject({ ...held, worked: true })
  expect(machine.book.get(other.claim.identity.jobId)).toMatchObject({ state: 'undelivered' })
  // Its client may have ended; its shim is back in a moment for all we know.
  const mine: ClaimRecord = { ...job.claim, owner: earlier }
  expect(await mayAdopt(mine, owner, machine.ports.sessions)).toBe(false)
})
