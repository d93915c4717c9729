import { realpath } from 'node:fs/promises'
import pg from 'pg'
import { codeOf } from '../../errors.ts'
import { readDatabaseError } from '../database-error.ts'
import { Sockets } from '../sockets.ts'
import { socketUrl } from './socket-url.ts'

/**
 *   ours       it answers, and its data directory is the one asked for
 *   foreign    another server answers on this socket
 *   starting   it is there and says that it is not ready (starting, recovering, stopping)
 *   mute       something accepted the connection and says nothing
 *   absent     nobody listens
 */
export type ServerPresence = 'ours' | 'foreign' | 'starting' | 'mute' | 'absent'

/** Asks the server on the socket in `socketDir` who it is; creates `database` if it is ours and lacks it. */
export async function probeServer(
  socketDir: string,
  cluster: string,
  database: string,
  timeoutMs = 2_000,
): Promise<ServerPresence> {
  const sockets = new Sockets()
  const client = new pg.Client({
    connectionString: socketUrl(socketDir, 'postgres'),
    connectionTimeoutMillis: timeoutMs,
    query_timeout: timeoutMs * 5,
    application_name: 'scrum4me-daemon/supervisor',
    stream: sockets.make,
  })
  client.on('error', () => undefined)
  try {
    await client.connect()
    const { rows } = await client.query<{ directory: string; present: boolean }>(
      `select current_setting('data_directory') as directory,
              exists (select from pg_database where datname = $1) as present`,
      [database],
    )
    const [row] = rows
    if (row === undefined || (await realpath(row.directory)) !== (await realpath(cluster))) return 'foreign'
    if (!row.present) await client.query(`create database ${pg.escapeIdentifier(database)}`)
    return 'ours'
  } catch (error) {
    return readPresence(error)
  } finally {
    await sockets.endWithin(200, client.end())
  }
}

function readPresence(error: unknown): ServerPresence {
  const code = codeOf(error)
  if (code === 'ECONNREFUSED' || code === 'ENOENT') return 'absent'
  const failure = readDatabaseError(error)
  if (failure === undefined) throw error
  if (failure.sqlstate === '57P03' || failure.sqlstate === '57P01') return 'starting'
  // It answers, with a refusal that no server of ours would give.
  if (failure.meaning !== 'unreachable') throw error
  return failure.sqlstate === undefined && code === undefined ? 'mute' : 'starting'
}
