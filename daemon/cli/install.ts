import { userInfo } from 'node:os'
import { createInterface } from 'node:readline/promises'
import { DaemonError } from '../errors.ts'
import { VERSION } from '../version.ts'
import { fetchStatus } from './fetch-status.ts'
import { readHolder } from './holder.ts'
import type { Invocation } from './invocation.ts'
import { mcpAddLine, shimCommand } from './mcp-config.ts'
import { serviceFor } from './service/find-service.ts'
import { runTool } from './service/run-tool.ts'
import type { Service } from './service/service.ts'
import { untilStarted } from './start.ts'
import { stopProcess } from './stop.ts'

export interface InstallOptions {
  readonly system?: boolean
  readonly print?: boolean
  readonly runAs?: string
}

/**
 * Makes the daemon a service that starts at login or boot, and starts it. Over an older installation it
 * is an upgrade: the running daemon finishes what is in flight, and sessions go on with the new one.
 */
export async function install(invocation: Invocation, options: InstallOptions): Promise<number> {
  const { terminal, paths } = invocation
  const scope = options.system ? 'system' : 'user'
  const service = serviceFor(invocation, scope, () => systemUser(invocation, options))
  const text = await service.render()
  if (options.print) {
    terminal.err(`# ${service.file}`)
    terminal.raw(text)
    return 0
  }
  const before = await service.installed()
  await service.enable(text)
  terminal.out(
    before === undefined
      ? `Installed ${service.file}`
      : before === text
        ? `Installed already: ${service.file}`
        : `Updated ${service.file}`,
  )
  const report = await fetchStatus(paths)
  const isCurrent =
    before === text && report.daemon?.version === VERSION && report.daemon.supervisor === service.kind
  if (!isCurrent) await replace(invocation, service)
  const { daemon } = (await untilStarted(invocation)) ?? { daemon: null }
  terminal.out(`Running as ${service.name}, pid ${daemon?.pid ?? 'unknown'}.`)
  if (service.kind === 'systemd' && scope === 'user') await offerLinger(invocation)
  terminal.out('')
  terminal.out('For Claude Code:')
  terminal.out(`  ${mcpAddLine(await shimCommand(invocation))}`)
  return 0
}

/** Whatever runs for this home ends in order; then the service's daemon starts. */
async function replace(invocation: Invocation, service: Service): Promise<void> {
  const holder = await readHolder(invocation.paths)
  if (holder === undefined) await service.start()
  else {
    await stopProcess(invocation, holder, 'restart')
    await service.restart()
  }
}

function systemUser({ env }: Invocation, options: InstallOptions): string {
  const user = options.runAs ?? env.SUDO_USER
  if (user !== undefined && user !== 'root') return user
  const own = userInfo().username
  if (own !== 'root') return own
  throw new DaemonError(
    'VALIDATION_ERROR',
    'A system service needs a user whose agents it serves; root is not a good one',
    'Name the user: `scrum4me-daemon install --system --run-as <user> --home <that user’s home>/.scrum4me`.',
  )
}

/** Without linger a user's manager ends with the last logout, and the daemon with it. */
async function offerLinger({ terminal, env }: Invocation): Promise<void> {
  const user = userInfo().username
  const { code, stdout } = await runTool(
    'loginctl',
    ['show-user', user, '--property=Linger', '--value'],
    env,
    5_000,
  )
  if (code !== 0 || stdout.trim() === 'yes') return
  const command = `loginctl enable-linger ${user}`
  if (terminal.isInteractive && terminal.isTTY) {
    const reader = createInterface({ input: terminal.stdin, output: process.stdout })
    const answer = await reader.question('Keep it running after logout (linger)? [Y/n] ')
    reader.close()
    if (/^(y|yes|)$/i.test(answer.trim())) {
      const result = await runTool('loginctl', ['enable-linger', user], env, 30_000)
      if (result.code === 0) return
      terminal.err(result.stderr.trim())
    }
  }
  terminal.out(`It stops when you log out; to keep it running: ${command}`)
}
