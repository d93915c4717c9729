import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { Nudges } from '../../daemon/dispatch/nudges.ts'

/** One machine: what it looked at, and which jobs it got. */
function machine(options: { wanted?: boolean; random?: () => number } = {}) {
  const ours = new Set<string>()
  let looks = 0
  const nudges = new Nudges({
    wanted: () => options.wanted ?? true,
    isOurs: async (jobId) => ours.has(jobId),
    nudge: () => {
      looks += 1
    },
    ...(options.random === undefined ? {} : { random: options.random }),
  })
  return {
    nudges,
    ours,
    get looks() {
      return looks
    },
  }
}

/** Jobs that another machine took first. */
async function beaten(one: ReturnType<typeof machine>, times: number) {
  for (let n = 0; n < times; n += 1) {
    one.nudges.queued(`beaten-${n}`)
    await vi.advanceTimersByTimeAsync(200)
    await one.nudges.claimed(`beaten-${n}`)
  }
}

beforeEach(() => {
  vi.useFakeTimers()
})

afterEach(() => {
  vi.useRealTimers()
})

describe('nudges', () => {
  it('of a machine that is alone come at once, always', async () => {
    const one = machine({ random: () => 1 })
    for (let n = 1; n <= 20; n += 1) {
      one.nudges.queued(`job-${n}`)
      expect(one.looks).toBe(n)
      one.ours.add(`job-${n}`)
      await one.nudges.claimed(`job-${n}`)
    }
  })

  it('wait a little after defeats, never more than 100 ms', async () => {
    const one = machine({ random: () => 1 })
    await beaten(one, 40)
    const before = one.looks
    one.nudges.queued('job')
    expect(one.looks).toBe(before)
    await vi.advanceTimersByTimeAsync(100)
    expect(one.looks).toBe(before + 1)
  })

  it('are dropped when another takes the job meanwhile', async () => {
    const one = machine({ random: () => 1 })
    await beaten(one, 5)
    const before = one.looks
    one.nudges.queued('job')
    await one.nudges.claimed('job')
    await vi.advanceTimersByTimeAsync(1_000)
    expect(one.looks).toBe(before)
  })

  it('do not fall away with another job', async () => {
    const one = machine({ random: () => 1 })
    await beaten(one, 5)
    const before = one.looks
    one.nudges.queued('job')
    await one.nudges.claimed('another')
    await vi.advanceTimersByTimeAsync(100)
    expect(one.looks).toBe(before + 1)
  })

  it('come at once again after victories', async () => {
    const one = machine({ random: () => 1 })
    await beaten(one, 4)
    for (const job of ['a', 'b']) {
      one.nudges.queued(job)
      await vi.advanceTimersByTimeAsync(100)
      one.ours.add(job)
      await one.nudges.claimed(job)
    }
    const before = one.looks
    one.nudges.queued('job')
    expect(one.looks).toBe(before + 1)
  })

  it('come at once where the sender did not name the job', async () => {
    const one = machine({ random: () => 1 })
    await beaten(one, 10)
    const before = one.looks
    one.nudges.queued(undefined)
    expect(one.looks).toBe(before + 1)
  })

  it('need somebody who waits; claims that nobody here competed for teach nothing', async () => {
    const idle = machine({ wanted: false })
    idle.nudges.queued('job')
    expect(idle.looks).toBe(0)
    const one = machine({ random: () => 1 })
    for (let n = 0; n < 10; n += 1) await one.nudges.claimed(`unheard-of-${n}`)
    one.nudges.queued('job')
    expect(one.looks).toBe(1)
  })

  it('end with stop', async () => {
    const one = machine({ random: () => 1 })
    await beaten(one, 5)
    const before = one.looks
    one.nudges.queued('job')
    one.nudges.stop()
    await vi.advanceTimersByTimeAsync(1_000)
    expect(one.looks).toBe(before)
  })
})
