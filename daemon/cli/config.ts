import { loadConfig } from '../config/load-config.ts'
import { Redactor } from '../redact.ts'
import { askRaw, isRunning } from './ask-daemon.ts'
import type { Invocation } from './invocation.ts'
import { Reply } from './reply.ts'
import { table } from './table.ts'

/**
 * Effective settings with their sources, secrets masked: the running daemon's, else what `run` would
 * use if it were started from this shell.
 */
export async function config(invocation: Invocation, options: { readonly json?: boolean }): Promise<number> {
  const { terminal } = invocation
  const running = await isRunning(invocation)
  const answer = running ? await askRaw(invocation, 'config') : await local(invocation)
  if (options.json) {
    terminal.out(JSON.stringify(answer, null, 2))
    return 0
  }
  const rows = new Reply(answer)
    .list('settings')
    .map((setting) => [setting.text('name'), setting.text('value'), setting.text('source')])
  terminal.out(table([['SETTING', 'VALUE', 'FROM'], ...rows]).join('\n'))
  terminal.err(
    running
      ? 'These are the running daemon’s; a change of daemon.env counts after `scrum4me-daemon restart`.'
      : 'No daemon is running; these are what it would use if started from here.',
  )
  return 0
}

async function local({ env, home }: Invocation) {
  const { settings } = await loadConfig({ env, home, redactor: new Redactor() })
  return { settings }
}
