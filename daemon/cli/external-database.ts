import type pg from 'pg'
import { type Check, fail, ok, within } from '../control/doctor/check.ts'
import { missingIn, schemaCheck } from '../control/doctor/schema-check.ts'
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
  const checks: Check[] = []
  const connected = await within('database', DEADLINE_MS, () =>
    connect(url, async (client, where) => {
      checks.push(...(await within('token', DEADLINE_MS, () => tokenCheck(client, token))))
      checks.push(...(await within('schema', DEADLINE_MS, async () => schemaCheck(await missingIn(client)))))
      return ok('database', `external, ${where}, answers`)
    }),
  )
  return [...connected, ...checks]
}

/** Connects and checks the token; answers its user's name. Throws DATABASE_UNAVAILABLE or UNAUTHORIZED. */
export function checkLogin(url: string, token: string): Promise<string> {
  return connect(url, (client) => ownerOf(client, token))
}

async function tokenCheck(client: pg.Client, token: string | undefined): Promise<Check> {
  if (token === undefined) return fail('token', 'SCRUM4ME_TOKEN is not set', 'Run `scrum4me-daemon login`.')
  return ok('token', `valid, user ${await ownerOf(client, token)}`)
}

async function ownerOf(client: pg.Client, token: string): Promise<string> {
  const check = await checkToken(client, token)
  if (check.ok) return check.caller.username
  throw new DaemonError(
    'UNAUTHORIZED',
    check.reason === 'unknown' ? 'The database does not know this token' : `The token is ${check.reason}`,
    'Make a new API token in Scrum4Me.',
  )
}

/** A connection for as long as `use` runs; what goes wrong is told in words without secrets. */
async function connect<T>(url: string, use: (client: pg.Client, where: string) => Promise<T>): Promise<T> {
  const { default: driver } = await import('pg')
  const parsed = parseDatabaseUrl(url)
  const client = new driver.Client({
    connectionString: parsed.connectionString,
    connectionTimeoutMillis: CONNECT_MS,
    query_timeout: CONNECT_MS,
    application_name: `scrum4me-daemon-cli/${VERSION}`,
  })
  client.on('error', () => undefined)
  try {
    await client.connect()
    return await use(client, describeDatabase(parsed))
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
