import type { ControlContext } from '../context.ts'
import { type Check, fail, ok, warn, within } from './check.ts'
import { schemaCheck } from './schema-check.ts'

const DEADLINE_MS = 12_000

/** The database as the running daemon sees it. */
export async function databaseChecks(context: ControlContext): Promise<readonly Check[]> {
  const { database } = context
  const reachable = await within('database', DEADLINE_MS, async () => {
    const ms = await database.ping()
    return ok('database', `${database.kind}, ${database.where}, answers in ${ms.toFixed(1)} ms`)
  })
  if (reachable.some((check) => check.state === 'fail')) return reachable
  const rest = await Promise.all([
    within('token', DEADLINE_MS, async () => {
      const { caller } = await context.backlog()
      return ok('token', `valid, user ${caller.userId}${caller.isDemo ? ' (demo: may read only)' : ''}`)
    }),
    within('schema', DEADLINE_MS, async () => schemaCheck(await database.missing())),
    within('LISTEN', DEADLINE_MS, async () => listenCheck(context)),
  ])
  return [...reachable, ...rest.flat()]
}

function listenCheck({ database, config }: ControlContext): Check {
  const state = database.listen()
  if (state === 'listening') return ok('LISTEN', 'notifications arrive')
  if (state === 'off' && config.presence === 'sessions') return ok('LISTEN', 'off until a session connects')
  if (state === 'polling') {
    return warn(
      'LISTEN',
      'does not work here (a transaction pooler?); jobs are found by polling, up to 5 s later',
      'Set DIRECT_DATABASE_URL to a URL that does not go through the pooler.',
    )
  }
  return fail(
    'LISTEN',
    `the connection is ${state}`,
    'It is made again by itself; see `scrum4me-daemon logs`.',
  )
}
