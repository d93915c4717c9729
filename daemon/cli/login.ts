import { randomBytes } from 'node:crypto'
import { open, readFile, rename, rm } from 'node:fs/promises'
import { databaseUrlFault } from '../config/database-url.ts'
import { formatEnvLine, parseEnvFile, readEnvFile } from '../config/env-file.ts'
import { DaemonError, type ErrorCode } from '../errors.ts'
import { ensureHome } from '../ipc/ensure-home.ts'
import type { Paths } from '../paths.ts'
import { daemonCommand } from '../wire/daemon-command.ts'
import { isRunning } from './ask-daemon.ts'
import { EXIT } from './exit.ts'
import { checkLogin } from './external-database.ts'
import type { Invocation } from './invocation.ts'
import { askSecret, readAll } from './prompt.ts'

interface Credentials {
  readonly url: string
  readonly token: string
}

/**
 * Database URL and token from the terminal, or from stdin (two lines, or `DATABASE_URL=` and
 * `SCRUM4ME_TOKEN=`), checked against the database, then into `daemon.env` (0600). Never from arguments,
 * which every user of the machine can read.
 */
export async function login(invocation: Invocation): Promise<number> {
  const { terminal, paths } = invocation
  const { url, token } = terminal.isInteractive ? await ask(invocation) : await fromStdin(invocation)
  const fault = databaseUrlFault('The database URL', url)
  if (fault !== undefined) throw invalid(`${fault.name}: expected ${fault.expected}`, fault.remedy)
  const user = await checkLogin(url, token).catch((error: unknown) => {
    if (error instanceof DaemonError) throw unsaved(error.code, error.message, error.remedy)
    throw error
  })
  await ensureHome(paths)
  await write(paths, { url, token })
  terminal.out(`Logged in as ${user}; saved in ${paths.envFile} (0600).`)
  if (await isRunning(invocation)) {
    terminal.out(`The running daemon goes on with what it had until \`${daemonCommand('restart', paths)}\`.`)
  }
  return EXIT.ok
}

async function ask({ terminal }: Invocation): Promise<Credentials> {
  const url = await askSecret(terminal, 'Database URL (hidden): ')
  const token = await askSecret(terminal, 'API token (hidden): ')
  return required({ url, token })
}

async function fromStdin({ terminal }: Invocation): Promise<Credentials> {
  const text = await readAll(terminal.stdin)
  const { values } = parseEnvFile(text, 'stdin')
  const url = values.get('DATABASE_URL')
  const token = values.get('SCRUM4ME_TOKEN')
  if (url !== undefined || token !== undefined) return required({ url: url ?? '', token: token ?? '' })
  const [first = '', second = ''] = text.split('\n')
  return required({ url: first.trim(), token: second.trim() })
}

function required(given: Credentials): Credentials {
  if (given.url === '') {
    throw invalid(
      'No database URL was given',
      'Without one the daemon uses its embedded database and needs no login: `scrum4me-daemon start`.',
    )
  }
  if (given.token === '')
    throw invalid('No token was given', 'Make an API token in Scrum4Me and enter it here.')
  return given
}

/** Every other line of the file stays. */
async function write(paths: Paths, { url, token }: Credentials): Promise<void> {
  const { faults } = await readEnvFile(paths.envFile)
  const [fault] = faults
  if (fault !== undefined) throw invalid(`${fault.name}: expected ${fault.expected}`, fault.remedy)
  const old = await readFile(paths.envFile, 'utf8').catch(() => '')
  const kept = old
    .split('\n')
    .filter((line) => !/^\s*(export\s+)?(DATABASE_URL|SCRUM4ME_TOKEN)\s*=/.test(line))
    .join('\n')
    .trimEnd()
  const lines = [formatEnvLine('DATABASE_URL', url), formatEnvLine('SCRUM4ME_TOKEN', token)]
  const text = `${kept === '' ? '' : `${kept}\n`}${lines.join('\n')}\n`
  const draft = `${paths.envFile}.${randomBytes(6).toString('hex')}.tmp`
  try {
    const handle = await open(draft, 'wx', 0o600)
    try {
      await handle.writeFile(text)
      await handle.sync()
    } finally {
      await handle.close()
    }
    await rename(draft, paths.envFile)
  } catch (error) {
    await rm(draft, { force: true })
    throw error
  }
}

function invalid(message: string, remedy: string): DaemonError {
  return unsaved('VALIDATION_ERROR', message, remedy)
}

function unsaved(code: ErrorCode, message: string, remedy: string): DaemonError {
  return new DaemonError(code, message, `${remedy} Nothing was saved.`)
}
