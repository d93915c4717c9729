import { lstat } from 'node:fs/promises'
import { resolve } from 'node:path'
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
 * All data of the embedded database in one file of SQL, never over one that is there. What is said about it
 * goes to stderr: whoever redirects stdout expects no words in a dump.
 */
export async function dbDump(invocation: Invocation, file: string | undefined): Promise<number> {
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
  const reply = await askDaemon(invocation, 'db-dump', { file: target }, { timeoutMs: DUMP_DEADLINE_MS })
  invocation.terminal.err(`Wrote ${target} (${bytesText(reply.number('bytes'))})`)
  return 0
}
