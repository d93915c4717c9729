import { chown, mkdir } from 'node:fs/promises'
import { userInfo } from 'node:os'
import { createInterface } from 'node:readline/promises'
import { codeOf, DaemonError } from '../errors.ts'
import { VERSION } from '../version.ts'
import { shellWord } from '../wire/daemon-command.ts'
import type { StatusReport } from '../wire/status-report.ts'
import { EXIT } from './exit.ts'
import { fetchStatus } from './fetch-status.ts'
import { readHolder } from './holder.ts'
import type { Invocation } from './invocation.ts'
import { mcpAddLine, shimCommand, socketOfItsOwn } from './mcp-config.ts'
import { checkNextConfig } from './next-config.ts'
import { findServicesOf, systemService, userService } from './service/find-service.ts'
import { writablePaths } from './service/render.ts'
import { runTool } from './service/run-tool.ts'
import type { Service } from './service/service.ts'
import { type SystemUser, systemUser } from './service/system-user.ts'
import { untilStarted } from './start.ts'
import { askToEnd, stopProcess } from './stop.ts'

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
  const { terminal } = invocation
  const socket = socketOfItsOwn(invocation)
  if (socket !== undefined && !options.system) throw socketElsewhere(socket)
  const { service, whose, user } = await chosenService(invocation, options)
  const text = await service.render()
  if (options.print) {
    terminal.err(`# ${service.file}`)
    terminal.raw(text)
    return EXIT.ok
  }
  const before = await service.installedFor()
  if (before.text !== undefined && !before.isOurs) throw nameTaken(service, whose.paths, before.home)
  const former = (await findServicesOf(whose, user?.name)).filter((one) => one.name !== service.name)
  if (user !== undefined) await makeDirectories(user)
  else if ((await readHolder(whose.paths)) !== undefined) await checkNextConfig(whose, service)
  await service.enable(text)
  terminal.out(`${verb(before.text, text)} ${service.file}`)
  const isSame = before.text === text && former.length === 0
  if (user === undefined) await bringUp(invocation, service, former, isSame)
  else await bringUpSystem(invocation, user, service, former, isSame)
  terminal.out(`Running as ${service.name}.`)
  if (service.kind === 'systemd' && service.scope === 'user') await offerLinger(invocation)
  terminal.out('')
  terminal.out('For Claude Code:')
  terminal.out(`  ${mcpAddLine(await shimCommand(whose))}`)
  return EXIT.ok
}

function socketElsewhere(socket: string): DaemonError {
  return new DaemonError(
    'VALIDATION_ERROR',
    `SCRUM4ME_SOCKET=${socket} is a setting of this shell, which a service does not have; nothing was installed`,
    "Unset SCRUM4ME_SOCKET and install again: the service serves the home's own socket, where sessions look first.",
  )
}

async function chosenService(
  invocation: Invocation,
  options: InstallOptions,
): Promise<{ service: Service; whose: Pick<Invocation, 'env' | 'paths'>; user?: SystemUser }> {
  if (!options.system) return { service: userService(invocation), whose: invocation }
  const user = await systemUser(invocation, options.runAs, userInfo().username)
  return { service: systemService(user, user.name), whose: user, user }
}

/** The unit may write only what is there when it starts, and may not make it. */
async function makeDirectories(user: SystemUser): Promise<void> {
  for (const path of (await writablePaths(user)).own) {
    try {
      await mkdir(path, { mode: 0o700 })
    } catch (error) {
      if (codeOf(error) === 'EEXIST') continue
      throw error
    }
    await chown(path, user.uid, user.gid)
  }
}

function verb(before: string | undefined, text: string): string {
  if (before === undefined) return 'Installed'
  return before === text ? 'Installed already:' : 'Updated'
}

/** What runs for this home ends in order, unless it is what would be started; then the service's daemon starts. */
async function bringUp(
  invocation: Invocation,
  service: Service,
  former: readonly Service[],
  isSame: boolean,
): Promise<void> {
  const { daemon } = await fetchStatus(invocation.paths)
  if (!(isSame && isCurrent(daemon, service))) {
    const holder = await readHolder(invocation.paths)
    if (holder !== undefined) await stopProcess(invocation, holder, 'restart')
    await removeFormer(invocation, former)
    if (holder === undefined) await service.start()
    else await service.restart()
  }
  await untilStarted(invocation)
}

/** The same for another user's daemon. Root asks it to drain, and leaves its process to systemd. */
async function bringUpSystem(
  invocation: Invocation,
  user: SystemUser,
  service: Service,
  former: readonly Service[],
  isSame: boolean,
): Promise<void> {
  const { daemon } = await fetchStatus(user.paths, user.uid)
  if (isSame && isCurrent(daemon, service)) return
  // Draining already when systemd's signal comes, so that sessions hear of a restart, not of an end.
  const drains = daemon !== null && (await askToEnd(user.paths, 'restart', user.uid))
  await removeFormer(invocation, former)
  if (drains || !isSame) await service.restart()
  else await service.start()
}

function isCurrent(daemon: StatusReport['daemon'], service: Service): boolean {
  return daemon?.version === VERSION && daemon.supervisor === service.kind
}

/** Units and agents of this home under the names that an earlier version gave them. */
async function removeFormer({ terminal }: Invocation, former: readonly Service[]): Promise<void> {
  for (const service of former) {
    await service.remove()
    terminal.out(`Removed ${service.file}, the name of an earlier version.`)
  }
}

/** Two homes of one directory name would be one service. */
function nameTaken(service: Service, paths: Invocation['paths'], other: string | undefined): DaemonError {
  const scope = service.scope === 'system' ? ' --system' : ''
  const remove =
    other === undefined
      ? 'look into that file'
      : `\`scrum4me-daemon uninstall${scope} --home ${shellWord(other)}\` first`
  return new DaemonError(
    'CONFLICT',
    `${service.name} is the service of ${other ?? 'something else'} and cannot be that of ${paths.home} too (${service.file}); nothing was changed`,
    `Give one of the two homes a directory of another name (--home), or, if the other is not needed, ${remove}.`,
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
