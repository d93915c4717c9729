import { access, constants, readFile, realpath } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { loadConfig } from '../../config/load-config.ts'
import { RepoRoots } from '../../config/repo-roots.ts'
import { DaemonError } from '../../errors.ts'
import { installedFile } from '../../installed-file.ts'
import { stableNode } from '../../lifecycle/stable-node.ts'
import { Redactor } from '../../redact.ts'
import { mainFile } from '../detached.ts'
import type { Invocation } from '../invocation.ts'
import type { LaunchdSession } from './launchd.ts'
import { runTool } from './run-tool.ts'
import { launchdLabel } from './service-name.ts'
import { commandWord, fill, unitWord, xmlText } from './template.ts'

const VERSION_DEADLINE_MS = 5_000

/** `main`: the bin to execute; default: this package's. */
type Rendered = Pick<Invocation, 'env' | 'paths'> & { readonly main?: string }

export async function renderUserUnit({ env, paths, main }: Rendered): Promise<string> {
  const values = await programs(env, main)
  return fill(await unitTemplate('systemd/scrum4me-daemon.service', env), {
    NODE: commandWord(values.node),
    MAIN: commandWord(values.main),
    HOME: commandWord(paths.home),
    PATH: unitWord(values.path),
  })
}

export async function renderSystemUnit({ env, paths, main }: Rendered, user: string): Promise<string> {
  const values = await programs(env, main)
  const writable = await writablePaths({ env, paths })
  // A private /tmp would hide what must be shared with agents, or is itself needed, there.
  const shared = [
    ...writable.own,
    ...writable.clones,
    paths.socket,
    paths.pgSocketDir,
    values.main,
    values.node,
  ]
  const isInTmp = shared.some((path) => /^(\/var)?\/tmp\//.test(path))
  return fill(await unitTemplate('systemd/scrum4me-daemon-system.service', env), {
    NODE: commandWord(values.node),
    MAIN: commandWord(values.main),
    HOME: commandWord(paths.home),
    PATH: unitWord(values.path),
    USER: user,
    WRITABLE: [
      ...writable.own.map(unitWord),
      // A clone may be gone or not mounted; that is no reason not to start.
      ...writable.clones.map((path) => unitWord(`-${path}`)),
    ].join(' '),
    PRIVATE_TMP: isInTmp ? 'no' : 'yes',
  })
}

/** What a hardened daemon writes: directories of its own, and the clones whose worktrees it makes. */
export async function writablePaths({
  env,
  paths,
}: Rendered): Promise<{ own: readonly string[]; clones: readonly string[] }> {
  const { config } = await loadConfig({ env, home: paths.home, redactor: new Redactor() })
  const clones = await new RepoRoots(config.repoRoots, config.agentConfigFile).known()
  return {
    own: [paths.home, config.worktreeDir],
    clones: [...new Set([...clones.values()].map((root) => root.path))],
  }
}

export async function renderPlist({ env, paths, main }: Rendered, session: LaunchdSession): Promise<string> {
  const values = await programs(env, main)
  return fill(await template('launchd/com.scrum4me.daemon.plist'), {
    LABEL: xmlText(launchdLabel(paths).name),
    NODE: xmlText(values.node),
    MAIN: xmlText(values.main),
    HOME: xmlText(paths.home),
    PATH: xmlText(values.path),
    SESSION: session,
  })
}

/** A file of this package. */
async function template(name: string): Promise<string> {
  return readFile(await installedFile(name), 'utf8')
}

/** Growing pauses are known from systemd 254 on; an older one would complain of them at every reload. */
async function unitTemplate(name: string, env: NodeJS.ProcessEnv): Promise<string> {
  const text = await template(name)
  const { code, stdout } = await runTool('systemctl', ['--version'], env, VERSION_DEADLINE_MS)
  const version = code === 0 ? Number(/^systemd (\d+)/.exec(stdout)?.[1]) : Number.NaN
  if (!(version < 254)) return text
  return text.replace(/^# Pauses grow.*\n/m, '').replace(/^Restart(Steps|MaxDelaySec)=.*\n/gm, '')
}

/** Absolute paths of node and our bin, and a PATH with which git, ssh and node are found. */
async function programs(
  env: NodeJS.ProcessEnv,
  bin?: string,
): Promise<{ node: string; main: string; path: string }> {
  const main = await realpath(bin ?? (await mainFile()))
  if (main.includes('/_npx/')) {
    throw new DaemonError(
      'VALIDATION_ERROR',
      'This copy was fetched by npx for one run and may vanish; a service needs one that stays',
      'Install it first: `npm install -g scrum4me-daemon`, then `scrum4me-daemon install`.',
    )
  }
  const node = await stableNode()
  const found: string[] = [dirname(node)]
  for (const tool of ['git', 'ssh', 'systemd-notify', 'flock', 'perl']) {
    const directory = await directoryOf(tool, env.PATH ?? '')
    if (directory !== undefined) found.push(directory)
  }
  const path = [...new Set([...found, '/usr/local/bin', '/usr/bin', '/bin', '/usr/sbin', '/sbin'])].join(':')
  return { node, main, path }
}

async function directoryOf(tool: string, path: string): Promise<string | undefined> {
  for (const directory of path.split(':').filter((entry) => entry.startsWith('/'))) {
    const isThere = await access(join(directory, tool), constants.X_OK).then(
      () => true,
      () => false,
    )
    if (isThere) return directory
  }
  return undefined
}
