import { basename } from 'node:path'
import type { ClientProcess } from './hello.ts'
import { readProcess } from './read-process.ts'

const SHELLS = new Set(['sh', 'bash', 'dash', 'zsh', 'fish', 'ksh', 'mksh', 'csh', 'tcsh', 'ash', 'busybox'])
const WRAPPERS = new Set([
  'npm',
  'npx',
  'pnpm',
  'pnpx',
  'yarn',
  'corepack',
  'env',
  'timeout',
  'nohup',
  'setsid',
])
const RUNTIMES = new Set(['node', 'nodejs'])
/** Enough for npx in npm in a shell in a shell; a cycle cannot be, but a race with recycled pids might. */
const MAX_DEPTH = 12

/**
 * The process of the agent that uses this shim: its nearest ancestor that is no shell or package runner, which only
 * carry out somebody else's command line. Null when it is gone already.
 */
export async function findClientProcess(parent: number): Promise<ClientProcess | null> {
  let pid = parent
  for (let depth = 0; depth < MAX_DEPTH && pid > 1; depth += 1) {
    const found = await readProcess(pid)
    if (found === null) return null
    if (!isWrapper(found.command)) return { pid, startedAt: found.startedAt }
    pid = found.parent
  }
  return null
}

/** True for a shell or a package runner, told by its command line. */
export function isWrapper(command: readonly string[]): boolean {
  // npm overwrites its own command line with one string: "npm exec scrum4me-daemon mcp".
  const program = name(command[0]?.split(' ')[0])
  if (SHELLS.has(program) || WRAPPERS.has(program)) return true
  return RUNTIMES.has(program) && WRAPPERS.has(name(command[1]))
}

/** `-bash` → bash, `/usr/lib/…/npm-cli.js` → npm */
function name(word = ''): string {
  return basename(word)
    .replace(/^-/, '')
    .replace(/\.(c|m)?js$/, '')
    .replace(/-cli$/, '')
}
