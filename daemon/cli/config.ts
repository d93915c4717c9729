import type { ConfigFault } from '../config/env-file.ts'
import { inspectConfig } from '../config/load-config.ts'
import { DaemonError } from '../errors.ts'
import { Redactor } from '../redact.ts'
import { daemonCommand, withHome } from '../wire/daemon-command.ts'
import { askRaw, isRunning } from './ask-daemon.ts'
import { EXIT } from './exit.ts'
import type { Invocation } from './invocation.ts'
import { nextEnvironment } from './next-config.ts'
import { Reply } from './reply.ts'
import { findService } from './service/find-service.ts'
import { printable } from './style.ts'
import { table } from './table.ts'

interface View {
  readonly settings: unknown
  readonly faults: readonly ConfigFault[]
  /** Whose settings these are. */
  readonly note: string
}

/**
 * Effective settings with their sources, secrets masked: the running daemon's, else what `run` would
 * use if it were started from this shell. What keeps the next daemon from starting is shown beside them.
 */
export async function config(invocation: Invocation, options: { readonly json?: boolean }): Promise<number> {
  const { terminal, paths } = invocation
  const view = (await isRunning(invocation)) ? await running(invocation) : await local(invocation)
  const { settings, note } = view
  const faults = view.faults.map((fault) => ({ ...fault, remedy: withHome(fault.remedy, paths) }))
  const code = faults.length === 0 ? EXIT.ok : EXIT.failed
  if (options.json) {
    terminal.out(JSON.stringify(faults.length === 0 ? { settings } : { settings, faults }, null, 2))
    return code
  }
  terminal.out(table([['SETTING', 'VALUE', 'FROM'], ...rows(settings)]).join('\n'))
  terminal.err(note)
  for (const { name, expected, remedy } of faults) {
    terminal.err(printable(`  ${name}: expected ${expected}. ${remedy}`))
  }
  return code
}

function rows(settings: unknown): string[][] {
  return new Reply({ settings }).list('settings').map((setting) => {
    const from = setting.text('source')
    const fault = setting.text('fault')
    const unknown = setting.flag('unknown') ? `${from}  ! not known` : from
    return [setting.text('name'), setting.text('value'), fault === '' ? unknown : `${from}  ✗ ${fault}`]
  })
}

/** The running daemon's settings, and the faults that the next one would find. */
async function running(invocation: Invocation): Promise<View> {
  const { paths } = invocation
  const service = await findService(invocation)
  const env = nextEnvironment(invocation, service)
  const next = await inspectConfig({ env, home: paths.home, redactor: new Redactor() })
  const { faults } = next
  const restart = daemonCommand('restart', paths)
  try {
    const answer: unknown = await askRaw(invocation, 'config')
    const note =
      faults.length === 0
        ? `These are the running daemon’s; a change of daemon.env counts after \`${restart}\`.`
        : `These are the running daemon’s; the next one would not start:`
    return { settings: asFound(answer, invocation), faults, note }
  } catch (error) {
    // A daemon that waits for its configuration has none to tell.
    if (!(error instanceof DaemonError) || error.code !== 'VALIDATION_ERROR') throw error
    const note = 'The daemon waits for its configuration to be corrected; this is what it finds:'
    return { settings: next.settings, faults, note }
  }
}

async function local({ env, home }: Invocation): Promise<View> {
  const { settings, faults } = await inspectConfig({ env, home, redactor: new Redactor() })
  const note =
    faults.length === 0
      ? 'No daemon is running; these are what it would use if started from here.'
      : 'No daemon is running, and started from here it would refuse these:'
  return { settings, faults, note }
}

/** Whatever starts a daemon names its home by --home; a person wants to know where the name came from. */
function asFound(answer: unknown, { home, env }: Invocation): unknown {
  const settings =
    typeof answer === 'object' && answer !== null && 'settings' in answer ? answer.settings : []
  if (home !== undefined || !Array.isArray(settings)) return settings
  return settings.map((setting: unknown) => {
    const reply = new Reply(setting)
    if (reply.text('name') !== 'SCRUM4ME_HOME' || reply.text('source') !== '--home') return setting
    const source = env.SCRUM4ME_HOME ? 'environment' : 'default'
    return { name: 'SCRUM4ME_HOME', value: reply.text('value'), source }
  })
}
