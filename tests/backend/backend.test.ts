import { afterEach, describe, expect, it } from 'vitest'
import { Backend, type BackendSteps } from '../../daemon/backend/backend.ts'
import { DaemonError } from '../../daemon/errors.ts'
import { silentLogger } from '../../daemon/logger.ts'

const caller = { userId: 'u', tokenId: 't', isDemo: false }
let backend: Backend
afterEach(() => backend.stop())

function make(steps: Partial<BackendSteps>): Backend {
  backend = new Backend(
    {
      reach: async () => undefined,
      checkSchema: async () => null,
      authorize: async () => ({ caller }),
      tokenRemedy: 'Log in',
      ...steps,
    },
    silentLogger,
  )
  return backend
}

describe('Backend', () => {
  it('keeps trying until the database answers; whoever waits gets the caller', async () => {
    let tries = 0
    make({
      async reach() {
        tries += 1
        if (tries < 3) throw new Error('refused')
      },
    })
    await backend.start()
    expect(backend.current()).toBeNull()
    expect(await backend.ready(10_000)).toEqual(caller)
    expect(tries).toBe(3)
  })

  it('what only a person can mend is thrown at once, with its code', async () => {
    make({ authorize: async () => ({ refused: 'revoked' }) })
    await backend.start()
    await expect.poll(() => backend.state).toBe('unauthorized')
    await expect(backend.ready(60_000)).rejects.toMatchObject({ code: 'UNAUTHORIZED' })
    await backend.stop()

    make({ checkSchema: async () => new DaemonError('DATABASE_UNAVAILABLE', 'no tables', 'make them') })
    await backend.start()
    await expect.poll(() => backend.state).toBe('incomplete')
    await expect(backend.ready(60_000)).rejects.toMatchObject({ message: 'no tables' })
  })

  it('gives up waiting after its time, not before and not never', async () => {
    make({ reach: () => Promise.reject(new Error('refused')) })
    await backend.start()
    await expect(backend.ready(50)).rejects.toMatchObject({ code: 'DATABASE_UNAVAILABLE' })
  })

  it('a lost connection takes it down and it comes up by itself', async () => {
    make({})
    const states: string[] = []
    backend.onChange((state) => states.push(state))
    await backend.start()
    await backend.ready(5_000)
    backend.lost(new Error('reset'))
    expect(backend.current()).toBeNull()
    expect(await backend.ready(5_000)).toEqual(caller)
    expect(states).toEqual(['up', 'connecting', 'up'])
  })

  it('waiters are freed when it stops', async () => {
    const stuck = make({ reach: () => Promise.reject(new Error('refused')) })
    await stuck.start()
    const waiting = stuck.ready(60_000)
    await stuck.stop()
    await expect(waiting).rejects.toMatchObject({ code: 'DATABASE_UNAVAILABLE' })
  })
})

it.each([
  'no write',
  'heartbeats only',
])('a database that answers and takes %s is not tried without pause', async (taken) => {
  let ups = 0
  make({})
  backend.onChange((state) => {
    if (state !== 'up') return
    ups += 1
    if (taken === 'heartbeats only') backend.proven()
    setImmediate(() => backend.lost(new Error('read-only')))
  })
  await backend.start()
  await expect.poll(() => ups, { timeout: 5_000 }).toBeGreaterThan(2)
  expect(ups).toBeLessThan(20)
})
