import { type Check, fail, ok, within } from '../control/doctor/check.ts'
import { describeDatabase, parseDatabaseUrl } from '../db/database-url.ts'
import { checkToken } from '../db/token.ts'
import { codeOf, DaemonError } from '../errors.ts'
import { VERSION } from '../version.ts'

const CONNECT_MS = 10_000
const DEADLINE_MS = 15_000

/** A shared database and our token on it, looked at directly because no daemon runs. */
export async function externalDatabaseChecks(
  url: string,
  token: string | undefined,
): Promise<readonly Check[]> {
  return within('database', DEADLINE_MS, async () => {
    const where = describeDatabase(parseDatabaseUrl(url))
    const owner = await checkLogin(url, token)
    const database = ok('database', `external, ${where}, answers`)
    if (owner === undefined) {
      return [database, fail('token', 'SCRUM4ME_TOKEN is not set', 'Run `scrum4me-daemon login`.')]
    }
    return [database, ok('token', `valid, user ${owner}`)]
  })
}

/**
 * Connects and checks the token; answers its user's name, undefined without a token. Throws
 * DATABASE_UNAVAILABLE or UNAUTHORIZED in words without secrets.
 */
export async function checkLogin(url: string, token: string | undefined): Promise<string | undefined> {
  const { default: pg } = await import('pg')
  const parsed = parseDatabaseUrl(url)
  const client = new pg.Client({
    connectionString: parsed.connectionString,
    connectionTimeoutMillis: CONNECT_MS,
    query_timeout: CONNECT_MS,
    application_name: `scrum4me-daemon-cli/${VERSION}`,
  })
  client.on('error', () => undefined)
  try {
    await client.connect()
    if (token === undefined) return undefined
    const check = await checkToken(client, token)
    if (check.ok) return check.caller.username
    throw new DaemonError(
      'UNAUTHORIZED',
      check.reason === 'unknown' ? 'The database does not know this token' : `The token is ${check.reason}`,
      'Make a new API token in Scrum4Me.',
    )
  } catch (error) {
    if (error instanceof DaemonError) throw error
    throw unavailable(error, describeDatabase(parsed))
  } finally {
    await client.end().catch(() => undefined)
  }
}

function unavailable(error: unknown, where: string): DaemonError {
  const code = codeOf(error) ?? ''
  const hints: Record<string, string> = {
    '28P01': 'The password is wrong; copy the URL again.',
    '28000': 'The server refuses this user; check user name and TLS (`?sslmode=require`).',
    '3D000': 'There is no such database on this server.',
    '42P01': 'This database has no Scrum4Me tables; is it the right one?',
    ENOTFOUND: 'The host name is not known; check it and the network.',
    ECONNREFUSED: 'Nothing listens there; check host and port.',
  }
  return new DaemonError(
    'DATABASE_UNAVAILABLE',
    `${where} could not be used (${code || 'no answer'})`,
    hints[code] ?? 'Check the URL, the network and that the server runs.',
    error,
  )
}
