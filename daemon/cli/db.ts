import { type FileHandle, lstat, mkdtemp, open, rm } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { DaemonError } from '../errors.ts'
import { bytesText } from '../status/bytes-text.ts'
import { askDaemon } from './ask-daemon.ts'
import type { Invocation } from './invocation.ts'

const DUMP_DEADLINE_MS = 60 * 60_000
const MIGRATE_DEADLINE_MS = 10 * 60_000

/** One line that node-postgres accepts. */
export async function dbUrl(
  invocation: Invocation,
  options: { readonly showPassword?: boolean },
): Promise<number> {
  const reply = await askDaemon(invocation, 'db-url', { show_password: options.showPassword === true })
  invocation.terminal.out(reply.text('url'))
  return 0
}

/** Migrates the embedded database; for a shared one prints the SQL its owner may run. */
export async function dbMigrate(
  invocation: Invocation,
  options: { readonly print?: boolean },
): Promise<number> {
  const { terminal } = invocation
  const params = { print: options.print === true }
  const reply = await askDaemon(invocation, 'db-migrate', params, { timeoutMs: MIGRATE_DEADLINE_MS })
  const sql = reply.text('sql')
  if (sql !== '') terminal.out(sql)
  const applied = reply.texts('applied')
  if (applied.length > 0) terminal.err(`Applied: ${applied.join(', ')}`)
  terminal.err(reply.text('message'))
  return 0
}

/**
 * All data of the embedded database in one file of SQL, never over one that is there, or with `-` on stdout. What is
 * said about it goes to stderr: whoever redirects stdout expects no words in a dump.
 */
export async function dbDump(invocation: Invocation, file: string | undefined): Promise<number> {
  if (file === '-') return dumpToStdout(invocation)
  const stamp = new Date().toISOString().slice(0, 19).replace(/[-:]/g, '')
  const target = resolve(invocation.cwd, file ?? `scrum4me-${stamp}.sql`)
  const there = await lstat(target).catch(() => undefined)
  if (there !== undefined) {
    throw new DaemonError(
      'CONFLICT',
      `${target} exists already; nothing was written`,
      'Name another file, or move that one away.',
    )
  }
  const bytes = await dumpInto(invocation, target)
  invocation.terminal.err(`Wrote ${target} (${bytesText(bytes)})`)
  return 0
}

async function dumpToStdout(invocation: Invocation): Promise<number> {
  // Without a daemon there is no dump, and perhaps no directory either.
  await askDaemon(invocation, 'ping')
  // Wherever a hardened unit lets the daemon write, and where nobody else reads.
  const directory = await mkdtemp(join(invocation.paths.stateDir, 'dump-'))
  let handle: FileHandle
  try {
    const scratch = join(directory, 'dump.sql')
    await dumpInto(invocation, scratch)
    handle = await open(scratch)
  } finally {
    // Before it is read: however this command ends then, nothing stays.
    await rm(directory, { recursive: true, force: true })
  }
  await invocation.terminal.pour(handle.createReadStream())
  return 0
}

async function dumpInto(invocation: Invocation, file: string): Promise<number | null> {
  const reply = await askDaemon(invocation, 'db-dump', { file }, { timeoutMs: DUMP_DEADLINE_MS })
  return reply.number('bytes')
}
