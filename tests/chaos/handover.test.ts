import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { delay } from '../../daemon/lifecycle/delay.ts'
import { until } from '../support/until.ts'
import { Laboratory } from './support/laboratory.ts'
import type { Machine } from './support/machine.ts'
import { NotedSession } from './support/noted-session.ts'
import { verdict } from './support/verdict.ts'

let lab: Laboratory
let machine: Machine

beforeAll(async () => {
  lab = await Laboratory.make()
  machine = await lab.machine('m', (await lab.clone('c')).clone, {
    SCRUM4ME_LEASE_SECONDS: '60',
    SCRUM4ME_HEARTBEAT_SECONDS: '1',
  })
  await machine.start()
  await machine.ready()
})

afterAll(async () => {
  const violations = await verdict(lab)
  await lab.close()
  expect(violations).toEqual([])
})

async function statusOf(job: string | undefined): Promise<Record<string, unknown>> {
  const [row] = await lab.query('select status::text, branch from claude_jobs where id = $1', [job])
  return row ?? {}
}

describe('a job changes hands', () => {
  it('at once when its session and its agent are gone and another session waits already', async () => {
    const first = await NotedSession.open(lab, machine)
    const second = await NotedSession.open(lab, machine)
    await lab.enqueue(1)
    const held = await first.take()
    const waiting = second.take()
    await machine.discard(first.agent)
    const given = await waiting
    expect(given).toMatchObject({ job: held.job, claim: held.claim, resumed: true })
    expect(await second.report(given)).toBe('counted')
    await machine.discard(second.agent)
  })

  it('not because of a planned restart in the moment its answer is on the way', async () => {
    const first = await NotedSession.open(lab, machine)
    const second = await NotedSession.open(lab, machine)
    const asked = first.take()
    await until('it waits', async () => JSON.stringify(await machine.status()).includes('"waiting"'))
    first.agent.signalShim('SIGSTOP')
    const [job] = await lab.enqueue(1)
    await until('it is answered', async () => (await statusOf(job)).branch !== null)
    await machine.terminate()
    const other = second.agent.call('wait_for_job', { wait_seconds: 5 }).result
    await machine.start()
    expect(await other).toMatchObject({ kind: 'ok', content: { status: 'timeout' } })
    first.agent.signalShim('SIGCONT')
    const held = await asked
    expect(held.job).toBe(job)
    expect(await first.report(held)).toBe('counted')
    await Promise.all([first, second].map((session) => machine.discard(session.agent)))
  })
})

it('a report that meets a locked row is counted when the lock is gone', async () => {
  const session = await NotedSession.open(lab, machine)
  await lab.enqueue(1)
  const held = await session.take()
  // Longer than the deadline of one statement.
  const answer = await lab.locked(held.job, async () => {
    const reported = session.report(held)
    await delay(2_500)
    return { reported }
  })
  expect(await answer.reported).toBe('counted')
  await machine.discard(session.agent)
})
