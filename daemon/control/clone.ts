import { stat } from 'node:fs/promises'
import { isAbsolute } from 'node:path'
import { DaemonError } from '../errors.ts'
import type { Git } from '../worktrees/git/git.ts'
import { GitError } from '../worktrees/git/git-error.ts'
import { hasCommit } from '../worktrees/git/refs.ts'

const GIT_DEADLINE_MS = 10_000

export interface Clone {
  /** The repository's top directory; a bare repository's own. */
  readonly root: string
  /** URL of `origin` without credentials, or null. */
  readonly originUrl: string | null
  /** Without a commit of its own and of origin: no job of it can start. */
  readonly isEmpty: boolean
}

/** The git repository that `path` is in. */
export async function findClone(git: Git, path: string): Promise<Clone> {
  if (!isAbsolute(path)) {
    throw new DaemonError('VALIDATION_ERROR', 'The path must be absolute', 'Nothing was changed.')
  }
  const isDirectory = await stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  )
  const root = isDirectory ? await rootOf(git, path) : ''
  if (root === '') {
    throw new DaemonError(
      'VALIDATION_ERROR',
      `${path} is no git repository that this daemon can read`,
      'Name the directory of a clone; nothing was changed.',
    )
  }
  const origin = await answer(git, root, 'config', '--get', 'remote.origin.url')
  return { root, originUrl: withoutCredentials(origin), isEmpty: !(await hasCommit(git, { dir: root })) }
}

async function rootOf(git: Git, path: string): Promise<string> {
  const top = await answer(git, path, 'rev-parse', '--show-toplevel')
  if (top !== '') return top
  const isBare = (await answer(git, path, 'rev-parse', '--is-bare-repository')) === 'true'
  return isBare ? answer(git, path, 'rev-parse', '--absolute-git-dir') : ''
}

/** What a reading command printed, without its newline; empty when git said no. */
async function answer(git: Git, dir: string, ...args: string[]): Promise<string> {
  try {
    const { stdout } = await git.run({ dir, deadlineMs: GIT_DEADLINE_MS }, ...args)
    return stdout.toString().replace(/\n$/, '')
  } catch (error) {
    if (error instanceof GitError && error.why === 'failed') return ''
    throw error
  }
}

/** `https://user:token@host/…?token=…` must not reach a table that others read. The user may hold an `@`, a token a `?`. */
export function withoutCredentials(url: string): string | null {
  if (url === '') return null
  const place = url.replace(/^([a-z][a-z0-9+.-]*:\/\/)[^/]*@/i, (match, scheme: string) =>
    scheme.startsWith('ssh') ? match.replace(/:[^/]*@$/, '@') : scheme,
  )
  return /^https?:/i.test(place) ? place.replace(/[?#].*$/s, '') : place
}
