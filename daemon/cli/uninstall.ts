import { lstat, readdir, readFile, stat } from 'node:fs/promises'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import { loadConfig } from '../config/load-config.ts'
import { clusterOf, exposedBase } from '../db/embedded/installation.ts'
import { DaemonError } from '../errors.ts'
import type { Paths } from '../paths.ts'
import { Redactor } from '../redact.ts'
import { daemonCommand } from '../wire/daemon-command.ts'
import { EXIT } from './exit.ts'
import { fetchStatus } from './fetch-status.ts'
import { readHolder } from './holder.ts'
import type { Invocation } from './invocation.ts'
import { ask } from './prompt.ts'
import { checkIsHome, purge } from './purge.ts'
import { findServices, findServicesOf } from './service/find-service.ts'
import type { Service } from './service/service.ts'
import { systemUser } from './service/system-user.ts'
import { stopProcess } from './stop.ts'
import { takeBackSpares } from './take-back-spares.ts'

export interface UninstallOptions {
  readonly purge?: boolean
  /** Without it a person at a terminal is asked before data goes. */
  readonly yes?: boolean
  readonly system?: boolean
  readonly runAs?: string
}

/** Stops and removes the service; data stays unless `purge`, which refuses while a job would be lost. */
export async function uninstall(invocation: Invocation, options: UninstallOptions): Promise<number> {
  const { terminal } = invocation
  const { services, paths } = await chosenServices(invocation, options)
  if (options.purge) {
    await checkIsHome(paths)
    await refuseIfBusy(paths)
    if (options.yes !== true && !(await mayPurge(invocation))) {
      terminal.err('Nothing was removed.')
      return EXIT.failed
    }
    // A job may have been claimed while the question stood.
    await refuseIfBusy(paths)
  }
  // Before its service goes, which ends it.
  const holder = await readHolder(paths)
  if (services.length === 0) terminal.out('No service of this home is installed.')
  for (const service of services) {
    await service.remove()
    terminal.out(`Removed ${service.file}`)
  }
  if (!options.purge) {
    const running = await readHolder(paths)
    if (running !== undefined) {
      terminal.out(
        `A daemon that no service started still runs (pid ${running.pid}); \`${daemonCommand('stop', paths)}\` ends it.`,
      )
    }
    if (await isThere(paths.home))
      terminal.out(
        `Kept ${paths.home} with its data; \`${daemonCommand('uninstall --purge', paths)}\` removes it too.`,
      )
    return EXIT.ok
  }
  const remaining = await readHolder(paths)
  if (remaining !== undefined) await stopProcess(invocation, remaining, 'stop')
  if (holder !== undefined) terminal.out(`Stopped the daemon (pid ${holder.pid}).`)
  const hadDatabase = await hasEmbedded(paths)
  // Read before daemon.env goes; it may be what is wrong, and is then no reason to stop.
  const config = await loadConfig({
    env: invocation.env,
    home: paths.home,
    redactor: new Redactor(),
  }).then(
    (loaded) => loaded.config,
    () => undefined,
  )
  const spares = config === undefined ? [] : await takeBackSpares(config, invocation.env).catch(() => [])
  const { removed, left } = await purge(paths)
  for (const path of removed) terminal.out(`Removed ${path}`)
  for (const path of left) terminal.out(`Left ${path}`)
  for (const path of spares) terminal.out(`Left ${path}, a spare worktree in which somebody works`)
  if (hadDatabase && !(await hasEmbedded(paths))) {
    terminal.out('The embedded database and all its data went with the home.')
  }
  if (removed.length === 0) terminal.out(`There is no data of ${paths.home}.`)
  const place = config === undefined ? '' : ` in ${config.worktreeDir}`
  terminal.out(`Worktrees of jobs${place} and saved work in your clones were not touched.`)
  if (config !== undefined && (await isThere(config.agentConfigFile)))
    terminal.out(`Kept ${config.agentConfigFile}, which names your clones; other installations may read it.`)
  return EXIT.ok
}

/** Asks a person at a terminal, naming what goes; a script has said what it wants. */
async function mayPurge({ terminal, paths }: Invocation): Promise<boolean> {
  if (!terminal.isInteractive || !terminal.isTTY) return true
  if (!(await isThere(paths.home))) return true
  terminal.out(`This removes ${paths.home} for good: configuration, state and logs.`)
  if (await hasEmbedded(paths)) {
    terminal.out('With it goes the embedded database: products, tasks, jobs and all else that is only there.')
    terminal.out(
      `To keep that, first write it to a file elsewhere: ${daemonCommand('db dump', paths)} <file>`,
    )
  }
  const holder = await readHolder(paths)
  if (holder !== undefined) terminal.out(`The daemon that runs (pid ${holder.pid}) is stopped.`)
  return /^yes$/i.test(await ask(terminal, 'Type yes to go on: '))
}

async function hasEmbedded({ home, dataDir }: Paths): Promise<boolean> {
  for (const base of [dataDir, exposedBase(home)]) {
    if ((await stat(join(clusterOf(base), 'PG_VERSION')).catch(() => undefined)) !== undefined) return true
  }
  return false
}

/** As `install` chose it: root names the user whose system service it is. */
async function chosenServices(
  invocation: Invocation,
  options: UninstallOptions,
): Promise<{ services: readonly Service[]; paths: Paths }> {
  if (!options.system) return { services: await findServices(invocation), paths: invocation.paths }
  if (options.purge) {
    throw new DaemonError(
      'VALIDATION_ERROR',
      '--purge removes the home of the user who runs it',
      'Uninstall first, then run `scrum4me-daemon uninstall --purge` as the user of the service.',
    )
  }
  const user = await systemUser(invocation, options.runAs, userInfo().username)
  return { services: await findServicesOf(user, user.name), paths: user.paths }
}

/** Claims and reports live in the home; removing it in the middle of a job would lose them. */
async function refuseIfBusy(paths: Paths): Promise<void> {
  const report = await fetchStatus(paths)
  const held = report.daemon === null ? await rememberedClaims(paths) : report.jobs.map((job) => job.job_id)
  if (held.length === 0) return
  throw new DaemonError(
    'CONFLICT',
    `${held.length} job${held.length === 1 ? ' is' : 's are'} still held here: ${held.join(', ')}`,
    'Nothing was removed; let them end, or `scrum4me-daemon jobs release <id>` first.',
  )
}

async function rememberedClaims({ stateDir }: Paths): Promise<string[]> {
  const directory = join(stateDir, 'claims')
  const names = await readdir(directory).catch(() => [])
  const held: string[] = []
  for (const name of names.filter((entry) => entry.endsWith('.json'))) {
    const text = await readFile(join(directory, name), 'utf8').catch(() => '')
    if (/"state":\s*"(preparing|undelivered|held|reporting)"/.test(text)) held.push(name.slice(0, -5))
  }
  return held
}

function isThere(path: string): Promise<boolean> {
  return lstat(path).then(
    () => true,
    () => false,
  )
}
