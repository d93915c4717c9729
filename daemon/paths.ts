import { homedir } from 'node:os'
import { dirname, isAbsolute, join, resolve } from 'node:path'

/** A Unix socket's path may be this long on every platform we run on; Linux truncates silently above 107. */
const MAX_SOCKET_BYTES = 103
/** A PostgreSQL socket is `<dir>/.s.PGSQL.5432.lock` at its longest. */
const PG_SOCKET_NAME_BYTES = '/.s.PGSQL.5432.lock'.length

/** Every file location of one installation, computed alike by daemon, CLI and shim. */
export interface Paths {
  readonly home: string
  readonly isDefaultHome: boolean
  /** `daemon.env`, 0600. */
  readonly envFile: string
  readonly runDir: string
  readonly stateDir: string
  readonly logDir: string
  readonly dataDir: string
  /** The socket shims and CLI connect to. */
  readonly socket: string
  /** Directory of the embedded server's Unix socket. */
  readonly pgSocketDir: string
}

export interface PathOptions {
  /** `--home`, which wins over SCRUM4ME_HOME. */
  readonly home?: string | undefined
}

export function resolvePaths(env: NodeJS.ProcessEnv, options: PathOptions = {}): Paths {
  const defaultHome = join(homedir(), '.scrum4me')
  const home = resolve(fromTilde(options.home || env.SCRUM4ME_HOME || defaultHome, env))
  const runDir = join(home, 'run')
  return {
    home,
    isDefaultHome: home === defaultHome,
    envFile: join(home, 'daemon.env'),
    runDir,
    stateDir: join(home, 'state'),
    logDir: join(home, 'logs'),
    dataDir: join(home, 'data'),
    socket: fitSocket(resolve(fromTilde(env.SCRUM4ME_SOCKET || join(runDir, 'daemon.sock'), env))),
    pgSocketDir: fitDirectory(join(runDir, 'pg'), home),
  }
}

/**
 * The variables of the environment that count and name no absolute path: daemon and clients would each take them
 * from where they happen to stand. `--home` is typed by a person, who stands where the command does.
 */
export function relativeLocations(env: NodeJS.ProcessEnv, options: PathOptions = {}): string[] {
  const counting = options.home ? ['SCRUM4ME_SOCKET'] : ['SCRUM4ME_HOME', 'SCRUM4ME_SOCKET']
  return counting.filter((name) => env[name] && !isAbsolute(fromTilde(env[name], env)))
}

/** What a shell leaves alone in quotes, a unit file, or an MCP configuration. */
export function fromTilde(path: string, env: NodeJS.ProcessEnv): string {
  return path.startsWith('~/') ? join(env.HOME || homedir(), path.slice(2)) : path
}

/** A path that is too long moves to a private directory whose name both sides derive from it. */
function fitSocket(path: string): string {
  if (Buffer.byteLength(path) <= MAX_SOCKET_BYTES) return path
  return join(shortDirectory(dirname(path)), 'daemon.sock')
}

function fitDirectory(path: string, home: string): string {
  if (Buffer.byteLength(path) + PG_SOCKET_NAME_BYTES <= MAX_SOCKET_BYTES) return path
  return join(shortDirectory(home), 'pg')
}

/** Not os.tmpdir(): TMPDIR may differ between the daemon and an agent's environment. */
function shortDirectory(of: string): string {
  // Loaded only for the rare long path: crypto would be a tenth of an idle shim's memory.
  const { createHash } = process.getBuiltinModule('node:crypto')
  const name = createHash('sha256').update(of).digest('hex').slice(0, 16)
  return join('/tmp', `scrum4me-${process.getuid?.() ?? 0}-${name}`)
}
