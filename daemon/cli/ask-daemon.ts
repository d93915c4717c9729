import { createHash } from 'node:crypto'
import { lstat } from 'node:fs/promises'
import { connect } from 'node:net'
import { codeOf, DaemonError } from '../errors.ts'
import type { Paths } from '../paths.ts'
import { commandFor, notRunning } from './advice.ts'
import type { Invocation } from './invocation.ts'
import { Reply } from './reply.ts'
import { control } from './seams.ts'

/** Contract 1: no hello within this time means "not answering". */
export const HELLO_DEADLINE_MS = 2_000
/** For calls that ask the database; the daemon itself gives up earlier, with a better reason. */
const CALL_DEADLINE_MS = 30_000

export interface AskOptions {
  readonly timeoutMs?: number
}

/**
 * Asks the running daemon. Without one: DAEMON_UNREACHABLE with the command that starts it. A
 * DATABASE_URL of ours that is not the daemon's is named on stderr and has no effect.
 */
export async function askDaemon(
  invocation: Invocation,
  method: string,
  params: unknown = {},
  options: AskOptions = {},
): Promise<Reply> {
  return new Reply(await askRaw(invocation, method, params, options))
}

/** As `askDaemon`, the answer as it came; for `--json`. */
export async function askRaw(
  invocation: Invocation,
  method: string,
  params: unknown = {},
  options: AskOptions = {},
): Promise<unknown> {
  await nameForeignDatabase(invocation)
  return call(invocation.paths, method, params, options.timeoutMs ?? CALL_DEADLINE_MS)
}

async function call(paths: Paths, method: string, params: unknown, timeoutMs: number): Promise<unknown> {
  try {
    return await control(paths.socket, method, params, { timeoutMs })
  } catch (error) {
    if (!(error instanceof DaemonError) || error.code !== 'DAEMON_UNREACHABLE') throw error
    if (!(await isListening(paths.socket))) throw notRunning(paths)
    throw new DaemonError(
      'DAEMON_UNREACHABLE',
      `A daemon holds ${paths.socket} but does not answer`,
      `\`${commandFor(paths, 'status')}\` says more; \`${commandFor(paths, 'restart')}\` ends it and starts another.`,
      error,
    )
  }
}

/**
 * Whether any process listens at the path. A full backlog (EAGAIN) is one that does not accept: it
 * lives. A file that is no socket also answers ECONNREFUSED, so the kind is looked at first.
 */
export async function isListening(socket: string): Promise<boolean> {
  try {
    if (!(await lstat(socket)).isSocket()) return false
  } catch {
    return false
  }
  return new Promise((resolve) => {
    const connection = connect(socket)
    const done = (listening: boolean) => {
      connection.destroy()
      resolve(listening)
    }
    connection.setTimeout(500, () => done(true))
    connection.on('connect', () => done(true))
    connection.on('error', (error) => done(codeOf(error) === 'EAGAIN'))
  })
}

async function nameForeignDatabase({ env, paths, terminal }: Invocation): Promise<void> {
  const url = env.DATABASE_URL
  if (!url) return
  const hash = createHash('sha256').update(url).digest('hex')
  let answer: Reply
  try {
    answer = new Reply(await call(paths, 'same-database', { url_sha256: hash }, HELLO_DEADLINE_MS))
  } catch {
    // Whatever is wrong, the call itself says it better.
    return
  }
  if (answer.flag('same')) return
  terminal.err(
    `Note: DATABASE_URL of this shell is not the daemon's and is ignored; the daemon uses ${answer.text('where')}.`,
  )
}
