import { spawn } from 'node:child_process'
import { open, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { installedFile } from '../installed-file.ts'
import { ensureHome } from '../ipc/ensure-home.ts'
import { DETACHED_VARIABLE } from '../lifecycle/detached.ts'
import type { Paths } from '../paths.ts'
import type { Invocation } from './invocation.ts'

/** The bin. */
export function mainFile(): Promise<string> {
  return installedFile('dist/daemon/main.js')
}

/**
 * For node, as in the service definitions: half of the usual young generation, in MB. The daemon idles most of its
 * life and keeps less memory for a burst that never comes; with much less than this, calls in a row wait for the
 * collector, one in forty of them, for as long as they take themselves.
 */
export const NODE_FLAGS: readonly string[] = ['--max-semi-space-size=8']

/**
 * For the C library, as in the service definitions: give memory back once so many bytes of it are free. glibc's own
 * rule, which grows with what was once asked for, keeps some fifteen megabytes. Other libraries ignore it.
 */
export const MALLOC_VARIABLES = { MALLOC_TRIM_THRESHOLD_: '131072' } as const

export interface Detached {
  readonly pid: number
  /** Resolves with the exit code if the daemon ends while this process still looks. */
  readonly exited: Promise<number>
  /** What it wrote to stderr. */
  complaints(): Promise<string>
  /** Lets this process end without it. */
  release(): void
}

/**
 * Starts `run` as a process of its own: no terminal, no directory that may be deleted, stderr in a file
 * because nobody reads a pipe for long.
 */
export async function spawnDetached({ env, paths }: Pick<Invocation, 'env' | 'paths'>): Promise<Detached> {
  // Also refuses, before anything is written, a home that the daemon would refuse.
  await ensureHome(paths)
  const file = join(paths.logDir, 'start.log')
  const log = await open(file, 'w', 0o600)
  try {
    const child = spawn(process.execPath, [...NODE_FLAGS, await mainFile(), 'run', '--home', paths.home], {
      cwd: '/',
      detached: true,
      stdio: ['ignore', 'ignore', log.fd],
      env: daemonEnvironment(env, paths),
    })
    const exited = new Promise<number>((resolve, reject) => {
      child.on('exit', (code) => resolve(code ?? 1))
      child.on('error', reject)
    })
    return {
      pid: child.pid ?? 0,
      exited,
      complaints: async () => (await readFile(file, 'utf8')).trim(),
      release: () => child.unref(),
    }
  } finally {
    await log.close()
  }
}

/** Of ours everything; nothing that tells the daemon it stands under the supervisor of this shell. */
export function daemonEnvironment(env: NodeJS.ProcessEnv, paths: Paths): NodeJS.ProcessEnv {
  const foreign = /^(NOTIFY_SOCKET|WATCHDOG_|LISTEN_|JOURNAL_STREAM|INVOCATION_ID|XPC_|CLAUDE|NODE_OPTIONS$)/
  const kept = Object.entries(env).filter(([name]) => !foreign.test(name))
  return {
    ...MALLOC_VARIABLES,
    ...Object.fromEntries(kept),
    SCRUM4ME_HOME: paths.home,
    [DETACHED_VARIABLE]: '1',
  }
}
