import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Bench } from './bench.ts'
import { coldStart } from './figures/cold-start.ts'
import { roundTrip } from './figures/round-trip.ts'
import { DatabaseCounters } from './world/database-counters.ts'
import { Machine } from './world/machine.ts'
import { World } from './world/world.ts'

// The short form of `npm run bench` for CI. It fails only when something is grossly worse than it was, and
// only by ratios and counts of the same run: a machine may be as slow as it likes, for all sides alike.

const SESSIONS = 5
const WATCH_S = 20
/** A server's idle connection tells its counters up to ten seconds late: what starting asked for is in them then. */
const SETTLE_MS = 12_000

let world: World

beforeAll(async () => {
  world = await World.make()
})

afterAll(() => world.close())

/** Ratios by title, of few repetitions. */
async function ratios(bench: Bench, scale: number): Promise<(title: string, against: string) => number> {
  const cleanup = world.scope()
  const { figures } = await bench.run(world, { scale }, cleanup).finally(() => cleanup.run())
  return (title, against) => {
    const found = figures.find((figure) => figure.title === title && figure.against?.label === against)
    if (found === undefined) throw new Error(`no figure "${title}" beside "${against}"`)
    return found.value
  }
}

describe('in short, not grossly worse than it was', () => {
  it('a session starts within 3 × an empty node, and far below a server per session', async () => {
    const ratio = await ratios(coldStart, 0.15)
    expect(ratio('cold start of a session, p50', 'node -e 0')).toBeLessThan(3)
    expect(ratio('the same', 'per-session server')).toBeLessThan(0.6)
  })

  it('a call takes less than 6 × the way through two cats', async () => {
    const ratio = await ratios(roundTrip, 0.2)
    expect(ratio('tool call (health)', 'cat pipe p50')).toBeLessThan(6)
    expect(ratio('request without work (prompts/get)', 'cat pipe p50')).toBeLessThan(6)
  })

  it(`${SESSIONS} waiting sessions hold at most 4 connections and ask the database at most 40 times a minute`, async () => {
    const tenant = await world.tenant()
    const machine = await Machine.make(tenant)
    const counters = await DatabaseCounters.connect(world.server.url('postgres'))
    try {
      await machine.product()
      await machine.start()
      for (const agent of await machine.agents(SESSIONS)) void machine.wait(agent).catch(() => undefined)
      await machine.waiting(SESSIONS)
      await sleep(SETTLE_MS)
      const names = [tenant.database]
      const [before = 0] = await counters.transactions(names)
      const from = performance.now()
      await sleep(WATCH_S * 1000)
      const [after = 0] = await counters.transactions(names)
      const minutes = (performance.now() - from) / 60_000
      const [connections = 0] = await counters.connections(names)
      expect(connections).toBeGreaterThan(0)
      expect(connections).toBeLessThanOrEqual(4)
      expect((after - before) / minutes).toBeGreaterThan(1)
      expect((after - before) / minutes).toBeLessThanOrEqual(40)
    } finally {
      await machine.remove()
      await counters.close()
    }
  })
})
