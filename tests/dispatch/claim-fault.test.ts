import { beforeEach, expect, it } from 'vitest'
import { ClaimFault } from '../../daemon/dispatch/claim-fault.ts'

let now = 0
let fault: ClaimFault
beforeEach(() => {
  now = 0
  fault = new ClaimFault(() => now)
})

const refused = Object.assign(new Error('permission denied for table tasks'), {
  ...{ code: '42501', severity: 'ERROR' },
})

it('is one that lasts from one try to a later one, until a claim works or nobody tries any more', () => {
  expect(fault.failed(refused)).toBe(false)
  now = 1_000
  expect(fault.failed(refused)).toBe(false)
  expect(fault.lasting).toBeNull()
  now = 5_000
  expect(fault.failed(refused)).toBe(true)
  expect(fault.lasting).toMatchObject({
    message: expect.stringContaining('permission denied for table tasks'),
    remedy: expect.stringContaining('grant'),
  })
  now = 60_000
  expect(fault.lasting).not.toBeNull()
  now = 70_000
  expect(fault.lasting).toBeNull()
  expect(fault.failed(refused)).toBe(false)
  expect(fault.lasting).toBeNull()
  now = 75_000
  expect(fault.failed(refused)).toBe(true)
  expect(fault.over()).toBe(true)
  expect(fault.over()).toBe(false)
  expect(fault.lasting).toBeNull()
})

it('a job that is passed over is one, two jobs passed over in turn are none', () => {
  fault.passedOver('one')
  now = 5_000
  fault.passedOver('another')
  expect(fault.lasting).toBeNull()
  now = 10_000
  fault.passedOver('another')
  expect(fault.lasting?.message).toContain('job another')
})
