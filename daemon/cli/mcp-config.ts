import { realpath } from 'node:fs/promises'
import { loadConfig } from '../config/load-config.ts'
import { installedFile } from '../installed-file.ts'
import { control } from '../ipc/control-client.ts'
import { stableNode } from '../lifecycle/stable-node.ts'
import { resolvePaths } from '../paths.ts'
import { Redactor } from '../redact.ts'
import { shellWord } from '../wire/daemon-command.ts'
import type { Invocation } from './invocation.ts'
import { Reply } from './reply.ts'

const DEADLINE_MS = 2_000

/**
 * What Claude Code needs: the `claude mcp add` line, the `.mcp.json` snippet and the permission for the
 * worktree directory. Holds no secret: the daemon alone has them.
 */
export async function mcpConfig(
  invocation: Invocation,
  options: { readonly json?: boolean },
): Promise<number> {
  const { terminal } = invocation
  const argv = await shimCommand(invocation)
  const [command, ...args] = argv
  const socket = socketOfItsOwn(invocation)
  const environment = socket === undefined ? {} : { env: { SCRUM4ME_SOCKET: socket } }
  const server = { mcpServers: { scrum4me: { type: 'stdio', command, args, ...environment } } }
  const settings = { permissions: { additionalDirectories: [await worktreeDirectory(invocation)] } }
  const add = mcpAddLine(argv, socket)
  if (options.json) {
    terminal.out(JSON.stringify({ command: add, mcp_json: server, settings_json: settings }, null, 2))
    return 0
  }
  terminal.out(
    [
      'Add the server to Claude Code, for all projects of this user:',
      '',
      `  ${add}`,
      '',
      'or for one project, in its .mcp.json:',
      '',
      indent(server),
      '',
      'and let agents work in their worktrees, in ~/.claude/settings.json:',
      '',
      indent(settings),
    ].join('\n'),
  )
  return 0
}

export function mcpAddLine(argv: readonly string[], socket?: string): string {
  const environment = socket === undefined ? '' : ` -e ${shellWord(`SCRUM4ME_SOCKET=${socket}`)}`
  return `claude mcp add --scope user scrum4me${environment} -- ${argv.map(shellWord).join(' ')}`
}

/** The socket that SCRUM4ME_SOCKET names, if it is not the home's: another environment may not say so. */
export function socketOfItsOwn({ env, paths }: Invocation): string | undefined {
  const usual = resolvePaths({ ...env, SCRUM4ME_SOCKET: undefined }, { home: paths.home })
  return paths.socket === usual.socket ? undefined : paths.socket
}

/** Where agents will work: the running daemon knows; without one, where it would be if started from here. */
async function worktreeDirectory({ env, home, paths }: Invocation): Promise<string> {
  try {
    const answer = new Reply(await control(paths.socket, 'config', {}, { timeoutMs: DEADLINE_MS }))
    const setting = answer.list('settings').find((one) => one.text('name') === 'SCRUM4ME_AGENT_WORKTREE_DIR')
    if (setting !== undefined) return setting.text('value')
  } catch {
    // None runs, or it waits for its own configuration to be corrected.
  }
  const { config } = await loadConfig({ env, home, redactor: new Redactor() })
  return config.worktreeDir
}

/**
 * The shim's command line with absolute paths: an agent's PATH is not this shell's, and the shim without
 * an npm wrapper starts fastest. A package in npx's cache may vanish, so there npx is named instead.
 */
export async function shimCommand({ paths }: Pick<Invocation, 'paths'>): Promise<string[]> {
  const home = paths.isDefaultHome ? [] : ['--home', paths.home]
  const shim = await installedFile('dist/shim/main.js').then(
    (file) => realpath(file),
    () => '',
  )
  if (shim === '' || shim.includes('/_npx/')) return ['npx', '-y', 'scrum4me-daemon', 'mcp', ...home]
  return [await stableNode(), shim, ...home]
}

function indent(value: unknown): string {
  return JSON.stringify(value, null, 2).replace(/^/gm, '  ')
}
