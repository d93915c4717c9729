import { until } from '../../support/until.ts'
import type { Held } from './held.ts'
import type { Laboratory } from './laboratory.ts'
import type { Machine } from './machine.ts'
import { NotedSession } from './noted-session.ts'

export interface Superseded {
  readonly job: string
  /** What the session was answered that held the job first and reported too late. */
  readonly old: string
  /** What the session was answered that held it last. */
  readonly heir: string
}

/**
 * `count` sessions of `old` are given a job each; then its daemon is stopped, or cut off from the database,
 * for longer than a lease. Sessions of `heir` are given the jobs. Back again, the old sessions report, and
 * then the new ones do. Every session's reports are sent as early as they can be.
 */
export async function supersede(
  lab: Laboratory,
  old: Machine,
  heir: Machine,
  how: 'stopped' | 'cut off',
  count: number,
): Promise<Superseded[]> {
  const open = (machine: Machine) =>
    Promise.all(Array.from({ length: count }, () => NotedSession.open(lab, machine)))
  const before = await open(old)
  const after = await open(heir)
  await lab.enqueue(count)
  const first = await Promise.all(before.map((session) => session.take()))
  const nonces = before.map((session) => session.nonce())
  const reportAll = () =>
    Promise.all(before.map((session, n) => session.report(at(first, n), 'done', at(nonces, n))))

  let answers: string[]
  let second: Held[]
  if (how === 'stopped') {
    old.stop()
    second = await Promise.all(after.map((session) => session.take()))
    // Already in the daemon's socket when it goes on.
    const late = reportAll()
    old.continue()
    answers = await late
  } else {
    await old.proxy.setMode('blackhole')
    const late = reportAll()
    second = await Promise.all(after.map((session) => session.take()))
    const spooled = await late
    if (spooled.some((answer) => answer !== 'spooled'))
      throw new Error(`a report without a database was answered with ${spooled.join(', ')}`)
    await old.proxy.setMode('forward')
    old.proxy.reset()
    answers = await Promise.all(
      before.map((session, n) =>
        until(
          'the spooled report is decided',
          async () => {
            const answer = await session.again(at(first, n), at(nonces, n))
            return answer !== 'spooled' && answer !== 'DATABASE_UNAVAILABLE' && answer
          },
          30_000,
        ),
      ),
    )
  }
  const heirs = await Promise.all(after.map((session, n) => session.report(at(second, n), 'skipped')))
  for (const session of before) await old.discard(session.agent)
  for (const session of after) await heir.discard(session.agent)
  return first.map(({ job }, n) => ({
    job,
    old: at(answers, n),
    heir: at(
      heirs,
      second.findIndex((held) => held.job === job),
    ),
  }))
}

function at<T>(list: readonly T[], index: number): T {
  const found = list[index]
  if (found === undefined) throw new Error(`nothing at ${index}`)
  return found
}
