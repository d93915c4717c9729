import { execFile } from 'node:child_process'
import { stat } from 'node:fs/promises'
import { homedir } from 'node:os'
import { isAbsolute } from 'node:path'
import { codeOf, DaemonError } from '../errors.ts'

const GIT_DEADLINE_MS = 10_000

export interface Clone {
  /** The repository's top directory; a bare repository's own. */
  readonly root: string
  /** URL of `origin` without credentials, or null. */
  readonly originUrl: string | null
}

/** The git repository that `path` is in. */
export async function findClone(path: string): Promise<Clone> {
  if (!isAbsolute(path)) {
    throw new DaemonError('VALIDATION_ERROR', 'The path must be absolute', 'Nothing was changed.')
  }
  const isDirectory = await stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  )
  const root = isDirectory ? ((await topLevel(path)) ?? (await bareRoot(path))) : undefined
  if (root === undefined) {
    throw new DaemonError(
      'VALIDATION_ERROR',
      `${path} is no git repository that this daemon can read`,
      'Name the directory of a clone; nothing was changed.',
    )
  }
  return { root, originUrl: withoutCredentials(await git(root, ['config', '--get', 'remote.origin.url'])) }
}

async function topLevel(path: string): Promise<string | undefined> {
  return (await git(path, ['rev-parse', '--show-toplevel'])) || undefined
}

async function bareRoot(path: string): Promise<string | undefined> {
  if ((await git(path, ['rev-parse', '--is-bare-repository'])) !== 'true') return undefined
  return (await git(path, ['rev-parse', '--absolute-git-dir'])) || undefined
}

/** Output of a reading git command, trimmed at the end; empty when it failed. */
function git(cwd: string, args: readonly string[]): Promise<string> {
  const env = {
    PATH: process.env.PATH ?? '/usr/bin:/bin',
    HOME: homedir(),
    LC_ALL: 'C',
    GIT_TERMINAL_PROMPT: '0',
  }
  const safe = ['-c', 'core.fsmonitor=false', '-c', 'core.hooksPath=/dev/null', ...args]
  return new Promise((resolve, reject) => {
    execFile('git', safe, { cwd, env, timeout: GIT_DEADLINE_MS }, (error, stdout) => {
      if (error !== null && codeOf(error) === 'ENOENT') {
        reject(
          new DaemonError('INTERNAL', 'git was not found', 'Install git, or correct the PATH of the daemon.'),
        )
      } else resolve(error === null ? stdout.replace(/\n$/, '') : '')
    })
  })
}

/** `https://user:token@host/…` must not reach a table that others read. */
export function withoutCredentials(url: string): string | null {
  if (url === '') return null
  return url.replace(/^([a-z][a-z0-9+.-]*:\/\/)[^/@]*@/i, (match, scheme: string) =>
    scheme.startsWith('ssh') ? match.replace(/:[^/@]*@$/, '@') : scheme,
  )
}
