import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { delay } from '../../daemon/lifecycle/delay.ts'
import { findFakeTime } from '../support/fake-time.ts'
import { until } from '../support/until.ts'
import { Laboratory } from './support/laboratory.ts'
import type { Machine } from './support/machine.ts'
import { NotedSession } from './support/noted-session.ts'
import { verdict } from './support/verdict.ts'

const LEASE_MS = 2_000
const GRACE_MS = 3_000
const ENV = {
  SCRUM4ME_LEASE_SECONDS: String(LEASE_MS / 1000),
  SCRUM4ME_HEARTBEAT_SECONDS: '1',
  SCRUM4ME_SESSION_GRACE_SECONDS: String(GRACE_MS / 1000),
}

let lab: Laboratory | undefined
afterEach(async () => {
  await lab?.close()
  lab = undefined
})

async function machine(name: string, env: Record<string, string> = {}): Promise<Machine> {
  lab ??= await Laboratory.make()
  const made = await lab.machine(name, (await lab.clone(name)).clone, {
    ...ENV,
    ...env,
    FAKETIME_TIMESTAMP_FILE: join(lab.dir, name, 'clock'),
  })
  await made.setClock('+0')
  await made.start()
  await made.ready()
  return made
}

function laboratory(): Laboratory {
  if (lab === undefined) throw new Error('no laboratory yet')
  return lab
}

async function rowOf(job: string): Promise<{ status: string; claim: unknown; retries: unknown }> {
  const [row] = await laboratory().query(
    'select status::text, plan_snapshot, retry_count from claude_jobs where id = $1',
    [job],
  )
  return { status: String(row?.status), claim: row?.plan_snapshot, retries: row?.retry_count }
}

const library = await findFakeTime()
if (library === undefined)
  console.log('clock: steps of the wall clock are skipped, libfaketime is not installed')

describe.skipIf(library === undefined)('a wall clock that jumps by two hours', () => {
  it('takes no job from anyone, ends no grace early and none late', async () => {
    const faked = await machine('faked', {
      LD_PRELOAD: library ?? '',
      FAKETIME_NO_CACHE: '1',
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
    })
    const right = await machine('right')
    const here = await NotedSession.open(laboratory(), faked)
    const there = await NotedSession.open(laboratory(), right)
    for (const offset of ['+2h', '-2h'] as const) {
      // One after the other: each machine has its job.
      await laboratory().enqueue(1)
      const mine = await here.take()
      await laboratory().enqueue(1)
      const theirs = await there.take()
      const leaver = await NotedSession.open(laboratory(), faked)
      await laboratory().enqueue(1)
      const orphan = await leaver.take()
      // The shim dies, its agent lives: the job waits for it as long as the grace is.
      leaver.agent.signalShim('SIGKILL')
      await until('the shim is gone', () => leaver.agent.shim === null)
      const goneAt = performance.now()

      await faked.setClock(offset)
      await until('the daemon lives by the new time', () => livesBy(here, offset))
      let released: number | undefined
      while (released === undefined || performance.now() - goneAt < 3 * LEASE_MS) {
        if (performance.now() - goneAt > 20_000) throw new Error(`${offset}: the orphan was never released`)
        expect(await rowOf(mine.job)).toEqual({ status: 'CLAIMED', claim: mine.claim, retries: 0 })
        expect(await rowOf(theirs.job)).toEqual({ status: 'CLAIMED', claim: theirs.claim, retries: 0 })
        if ((await rowOf(orphan.job)).status === 'QUEUED') released ??= performance.now() - goneAt
        await delay(50)
      }
      expect(released).toBeGreaterThan(GRACE_MS - 100)
      expect(await here.report(mine)).toBe('counted')
      expect(await there.report(theirs)).toBe('counted')
      const again = await there.take()
      expect(again.job).toBe(orphan.job)
      expect(await there.report(again, 'skipped')).toBe('counted')
      await faked.discard(leaver.agent)
    }
    expect(await verdict(laboratory())).toEqual([])
  }, 180_000)
})

describe('a machine that was away', () => {
  it('still reports after three leases in which nobody took its job, and after a kill on top of that', async () => {
    const only = await machine('only')
    const session = await NotedSession.open(laboratory(), only)
    await laboratory().enqueue(1)
    const stopped = await session.take()
    only.stop()
    await delay(3 * LEASE_MS)
    only.continue()
    expect(await session.report(stopped)).toBe('counted')

    // Cut off: the report waits on disk, survives the daemon, and is delivered once.
    await laboratory().enqueue(1)
    const cut = await session.take()
    const nonce = session.nonce()
    await only.proxy.setMode('refuse')
    expect(await session.report(cut, 'done', nonce)).toBe('spooled')
    await only.kill()
    await only.start()
    await only.proxy.setMode('forward')
    await until(
      'the spooled report is delivered',
      async () => (await rowOf(cut.job)).status === 'DONE',
      30_000,
    )
    expect(await session.again(cut, nonce)).toBe('counted')
    expect(await verdict(laboratory())).toEqual([])
  }, 120_000)
})

/** Whether the daemon's own clock is stepped. */
async function livesBy(session: NotedSession, offset: '+2h' | '-2h'): Promise<boolean> {
  const health = await session.agent.call('health', {}).result
  const time = health.kind === 'ok' ? Date.parse(String(health.content.time)) : Number.NaN
  const hours = offset === '+2h' ? 2 : -2
  return Math.abs(time - Date.now() - hours * 3_600_000) < 600_000
}
