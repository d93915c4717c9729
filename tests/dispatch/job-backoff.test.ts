import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { JobBackoff } from '../../daemon/dispatch/job-backoff.ts'
import { OncePerMinute } from '../../daemon/dispatch/once-per-minute.ts'
import { DaemonError } from '../../daemon/errors.ts'

const WHY = new DaemonError('WORKTREE_FAILED', 'git says no', 'Ask git.')

describe('JobBackoff', () => {
  it('rests longer after each failure, never less than half its step and never beyond its cap', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 30 }), (failures) => {
        const backoff = new JobBackoff(() => 0)
        let wait = 0
        for (let n = 0; n < failures; n += 1) wait = backoff.failed('job', 'T-1', WHY)
        const step = Math.min(600_000, 10_000 * 2 ** (failures - 1))
        expect(wait).toBeGreaterThanOrEqual(step / 2)
        expect(wait).toBeLessThanOrEqual(step + 1)
      }),
    )
  })

  it('leaves a job alone for its rest and forgets it after success', () => {
    let now = 0
    const backoff = new JobBackoff(() => now)
    const wait = backoff.failed('job', 'T-1', WHY)
    const failure = { jobId: 'job', taskLabel: 'T-1', error: WHY, tries: 1 }
    expect(backoff.failures()).toEqual([{ ...failure, restMs: wait }])
    expect(backoff.resting()).toEqual(['job'])
    now = wait + 1
    expect(backoff.resting()).toEqual([])
    expect(backoff.failures()).toEqual([{ ...failure, restMs: 0 }])
    expect(backoff.count('job')).toBe(1)
    backoff.succeeded('job')
    expect(backoff.count('job')).toBe(0)
    expect(backoff.failures()).toEqual([])
  })
})

it('OncePerMinute says a thing once a minute, each thing by itself', () => {
  let now = 0
  const once = new OncePerMinute(() => now)
  expect([once.may('s', 'a'), once.may('s', 'a'), once.may('s', 'b'), once.may('t', 'a')]).toEqual([
    true,
    false,
    true,
    true,
  ])
  now = 59_999
  expect(once.may('s', 'a')).toBe(false)
  now = 60_000
  expect(once.may('s', 'a')).toBe(true)
})
