import { createHash } from 'node:crypto'
import { ControlError, control } from '../ipc/control-client.ts'
import { daemonCommand } from '../wire/daemon-command.ts'
import type { Invocation } from './invocation.ts'
import { Reply } from './reply.ts'

/** For calls that ask the database; the daemon itself gives up earlier, with a better reason. */
const CALL_DEADLINE_MS = 30_000
const QUICK_DEADLINE_MS = 2_000
/** `status` gives up after 2 s and says so; who wants something done waits longer for a busy machine. */
const HELLO_DEADLINE_MS = 10_000

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
  const { paths } = invocation
  await nameForeignDatabase(invocation)
  return control(paths.socket, method, params, {
    timeoutMs: options.timeoutMs ?? CALL_DEADLINE_MS,
    helloMs: HELLO_DEADLINE_MS,
    startCommand: daemonCommand('start', paths),
    home: paths.home,
  })
}

/** Whether a daemon of this home answers, is absent, or is there and silent. */
export async function isRunning({ paths }: Pick<Invocation, 'paths'>): Promise<boolean> {
  try {
    await control(paths.socket, 'ping', {}, { timeoutMs: QUICK_DEADLINE_MS })
    return true
  } catch (error) {
    return !(error instanceof ControlError && error.failure === 'not_running')
  }
}

/**
 * Names on stderr a DATABASE_URL of this shell that is not that of the daemon that runs; silent when none answers.
 * `taken`: the next daemon is started from this shell and will use it.
 */
export async function nameForeignDatabase(
  { env, paths, terminal }: Invocation,
  { taken = false }: { readonly taken?: boolean } = {},
): Promise<void> {
  const url = env.DATABASE_URL
  if (!url) return
  const params = { url_sha256: createHash('sha256').update(url).digest('hex') }
  try {
    const answer = new Reply(
      await control(paths.socket, 'same-database', params, { timeoutMs: QUICK_DEADLINE_MS }),
    )
    if (answer.flag('same') || (!taken && answer.flag('used'))) return
    const where = answer.text('where')
    terminal.err(
      taken
        ? `Note: DATABASE_URL of this shell is not the daemon's; the next daemon uses it instead of ${where}.`
        : `Note: DATABASE_URL of this shell is not the daemon's and is ignored; the daemon uses ${where}.`,
    )
  } catch {
    // Whatever is wrong, the call itself says it better.
  }
}
