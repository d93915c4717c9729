import { realpath } from 'node:fs/promises'
import { loadConfig } from '../config/load-config.ts'
import { installedFile } from '../installed-file.ts'
import { stableNode } from '../lifecycle/stable-node.ts'
import { Redactor } from '../redact.ts'
import { shellWord } from '../wire/daemon-command.ts'
import type { Invocation } from './invocation.ts'

/**
 * What Claude Code needs: the `claude mcp add` line, the `.mcp.json` snippet and the permission for the
 * worktree directory. Holds no secret: the daemon alone has them.
 */
export async function mcpConfig(
  invocation: Invocation,
  options: { readonly json?: boolean },
): Promise<number> {
  const { terminal, env, home } = invocation
  const { config } = await loadConfig({ env, home, redactor: new Redactor() })
  const argv = await shimCommand(invocation)
  const [command, ...args] = argv
  const server = { mcpServers: { scrum4me: { type: 'stdio', command, args } } }
  const settings = { permissions: { additionalDirectories: [config.worktreeDir] } }
  const add = mcpAddLine(argv)
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

export function mcpAddLine(argv: readonly string[]): string {
  return `claude mcp add --scope user scrum4me -- ${argv.map(shellWord).join(' ')}`
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
