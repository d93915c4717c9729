import { afterEach, expect, it } from 'vitest'
import { delay } from '../../daemon/lifecycle/delay.ts'
import { until } from '../support/until.ts'
import { Laboratory } from './support/laboratory.ts'
import type { Machine } from './support/machine.ts'
import { NotedSession } from './support/noted-session.ts'
import { chaosSeed, LONG, Random } from './support/random.ts'
import { verdict } from './support/verdict.ts'

const RACES = LONG ? 5_000 : 1_000
const SESSIONS = 8
const JOBS = 6

let lab: Laboratory | undefined
afterEach(() => lab?.close())

it(`leaves no job with a cancelled call over ${RACES} races of cancel and claim`, async () => {
  const random = new Random(chaosSeed('cancel-race'))
  const made = await Laboratory.make()
  lab = made
  const machine = await made.machine('m', (await made.clone('c')).clone)
  await machine.start()
  await machine.ready()
  const jobs = await made.enqueue(JOBS)
  // Half of the jobs have been in other hands before: those sessions are gone, agent and all.
  const before = await Promise.all(Array.from({ length: JOBS / 2 }, () => NotedSession.open(made, machine)))
  const worked = new Set(await Promise.all(before.map(async (session) => (await session.take()).job)))
  await Promise.all(before.map((session) => machine.discard(session.agent)))
  const sessions = await Promise.all(Array.from({ length: SESSIONS }, () => NotedSession.open(made, machine)))
  const tally = { 'while it waited': 0, 'after its answer': 0 }
  let left = RACES
  /** How long a wait takes that is not cancelled, ms: where the race is. */
  let usual = 50
  const race = async (session: NotedSession, draws: Random) => {
    while (left > 0) {
      left -= 1
      const from = performance.now()
      const call = session.agent.call('wait_for_job', { wait_seconds: 20 })
      const early = draws.chance(0.7)
      const cancelled = early
        ? delay(draws.between(0, 2 * usual)).then(() => session.agent.cancel(call.id))
        : Promise.resolve()
      const result = await call.result
      await cancelled
      if (result.kind === 'ok') {
        // Not read by anyone: within two seconds, and before anything else is said, it still counts as cancelled.
        if (!early) usual = 0.9 * usual + 0.1 * Math.min(1_000, performance.now() - from)
        session.agent.cancel(call.id)
        tally['after its answer'] += 1
      } else {
        expect(result.kind).toBe('cancelled')
        tally['while it waited'] += 1
      }
    }
  }
  await Promise.all(sessions.map((session) => race(session, random.fork())))
  console.log(`${RACES} races: ${JSON.stringify(tally)}, a wait takes ${Math.round(usual)} ms`)
  expect(Math.min(...Object.values(tally))).toBeGreaterThan(RACES / 20)

  // The sessions live on, and none of them holds anything.
  await until('no session holds a job', async () => (await holding(machine)).length === 0, 15_000).catch(
    () => undefined,
  )
  expect(await holding(machine)).toEqual([])

  // Every job can be had, each by one; and a cancellation that comes late takes nothing away.
  const takers = sessions.slice(0, JOBS)
  const held = await Promise.all(
    takers.map(async (session) => {
      const given = await session.take()
      await session.agent.call('job_heartbeat', { job_id: given.job }).result
      session.agent.cancel(session.takenBy)
      return given
    }),
  )
  expect(held.map((one) => one.job).sort()).toEqual([...jobs].sort())
  for (const one of held) expect(one.resumed).toBe(worked.has(one.job))
  const answers = await Promise.all(
    takers.map(async (session, n) => {
      const given = held[n]
      if (given === undefined) throw new Error('a session without a job')
      return session.report(given, 'skipped')
    }),
  )
  expect(answers).toEqual(jobs.map(() => 'counted'))
  expect(await verdict(made)).toEqual([])
}, 240_000)

/** Sessions that the daemon says hold a job. */
async function holding(machine: Machine): Promise<unknown[]> {
  const { sessions } = await machine.status()
  return Array.isArray(sessions) ? sessions.filter((one) => one.activity === 'holding') : [sessions]
}
