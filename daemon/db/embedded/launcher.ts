import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { noEmbedded } from './binaries.ts'
import { type Command, type CommandResult, runCommand } from './run-command.ts'

/**
 * How the server's programs are run. PostgreSQL refuses to be root, and containers are root, so there is a
 * ladder; the first rung that works is taken:
 *   direct      we are not root
 *   namespace   root, seen by PostgreSQL as an ordinary user inside a user namespace; files stay root's
 *   capability  another user that keeps CAP_DAC_OVERRIDE, so it reaches what lies below a 0700 home of root
 *   user        another user and nothing else; its files must lie where it can reach them
 */
export type LauncherKind = 'direct' | 'namespace' | 'capability' | 'user'

export interface Launcher {
  readonly kind: LauncherKind
  /** Owner that the data directory must have on disk. */
  readonly uid: number
  readonly gid: number
  command(file: string, args: readonly string[]): Command
}

export interface LadderOptions {
  /** Lays the programs where that rung can run them. */
  readonly treeFor: (kind: LauncherKind) => Promise<string>
  /** Owner of an existing data directory: a server that runs there can only be reached by its like. */
  readonly owner?: number | undefined
  /** Rungs not to try; for tests. */
  readonly without?: readonly LauncherKind[]
}

/** Finds the first rung on which `postgres --version` runs, and its tree; throws when there is none. */
export async function chooseLauncher(options: LadderOptions): Promise<{ launcher: Launcher; tree: string }> {
  const failures: string[] = []
  const rungs = (await ladder()).filter((rung) => !options.without?.includes(rung.kind))
  // Stable: among those of one owner the order of the ladder stays.
  rungs.sort((a, b) => Number(b.uid === options.owner) - Number(a.uid === options.owner))
  for (const launcher of rungs) {
    const tree = await options.treeFor(launcher.kind)
    const program = join(tree, 'bin', 'postgres')
    const result = await runCommand(launcher.command(program, ['--version']), 10_000)
    if (result.code === 0) return { launcher, tree }
    if (isWithoutInterpreter(result, program)) {
      throw noEmbedded(
        'The embedded PostgreSQL needs glibc, which this system (Alpine or another musl) lacks',
      )
    }
    failures.push(`${launcher.kind}: ${result.output || `exit ${result.code}`}`)
  }
  throw noEmbedded(
    `The embedded PostgreSQL does not run here (${failures.join('; ')})`,
    'Run the daemon as an ordinary user, or set DATABASE_URL to a PostgreSQL 13 or newer.',
  )
}

/** The program is there, so what is "not found" is the loader that it asks for: another libc's. */
function isWithoutInterpreter(result: CommandResult, program: string): boolean {
  return /ENOENT|No such file or directory/.test(result.output) && result.output.includes(program)
}

async function ladder(): Promise<Launcher[]> {
  const uid = process.getuid?.() ?? 0
  const gid = process.getgid?.() ?? 0
  if (uid !== 0) return [{ kind: 'direct', uid, gid, command: (file, args) => ({ file, args }) }]
  const nobody = await findUnprivileged()
  const capabilities = ['--inh-caps', '--ambient-caps', '--bounding-set']
  return [
    {
      kind: 'namespace',
      uid: 0,
      gid: 0,
      command: (file, args) => ({
        file: 'unshare',
        args: ['--user', `--map-user=${nobody.uid}`, `--map-group=${nobody.gid}`, file, ...args],
      }),
    },
    {
      kind: 'capability',
      ...nobody,
      command: (file, args) => ({
        file: 'setpriv',
        args: [
          // Without it the kernel forgets the capability for access(2), and pg_ctl finds no postgres.
          '--securebits=+no_setuid_fixup',
          `--reuid=${nobody.uid}`,
          `--regid=${nobody.gid}`,
          '--clear-groups',
          ...capabilities.map((set) => `${set}=-all,+dac_override`),
          file,
          ...args,
        ],
      }),
    },
    { kind: 'user', ...nobody, command: (file, args) => ({ file, args, ...nobody }) },
  ]
}

/** PostgreSQL looks its user up by id, so it has to be one that /etc/passwd knows. */
async function findUnprivileged(): Promise<{ uid: number; gid: number }> {
  const passwd = await readFile('/etc/passwd', 'utf8').catch(() => '')
  const users = passwd.split('\n').flatMap((line) => {
    const [name, , uid, gid] = line.split(':')
    return Number(uid) > 0 && Number(gid) > 0 ? [{ name, uid: Number(uid), gid: Number(gid) }] : []
  })
  const found = users.find((user) => user.name === 'nobody') ?? users[0]
  return found === undefined ? { uid: 65534, gid: 65534 } : { uid: found.uid, gid: found.gid }
}
