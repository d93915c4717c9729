import { readFile, rename, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import type { Git } from './git.ts'
import { GitError } from './git-error.ts'
import { onClone, type Repository } from './repository.ts'
import { hasFilters, withoutFilters } from './safe-config.ts'

const CHECKOUT_DEADLINE_MS = 1_800_000

/**
 * Registers a linked worktree at `path`, detached at `sha`, with no files yet; locked from its first moment
 * if there is a reason. The caller holds the clone's lock; `checkOut` needs none.
 */
export async function addWorktree(
  git: Git,
  repository: Repository,
  path: string,
  sha: string,
  reason: string | null,
  signal: AbortSignal,
): Promise<void> {
  await git.run(
    onClone(repository, signal),
    'worktree',
    'add',
    '--quiet',
    '--detach',
    '--no-checkout',
    ...(reason === null ? [] : ['--lock', '--reason', reason]),
    path,
    sha,
  )
}

/** Fills a worktree with the files of its HEAD. Answers warnings. */
export async function checkOut(
  git: Git,
  repository: Repository,
  path: string,
  options: {
    readonly signal: AbortSignal
    readonly sshAuthSock?: string | null | undefined
    readonly low?: boolean
  },
): Promise<string[]> {
  const call = {
    dir: path,
    signal: options.signal,
    sshAuthSock: options.sshAuthSock,
    deadlineMs: CHECKOUT_DEADLINE_MS,
    low: options.low ?? false,
  }
  const reset = (settings: readonly string[]) =>
    git.run({ ...call, config: settings }, 'reset', '--hard', '--quiet', '--no-recurse-submodules')
  try {
    await reset(repository.settings)
    return []
  } catch (error) {
    const byFilter =
      error instanceof GitError &&
      error.why === 'failed' &&
      /filter/i.test(error.stderr) &&
      hasFilters(repository.config)
    if (!byFilter) throw error
    await reset([...repository.settings, ...withoutFilters(repository.config)])
    return [
      `a filter of this repository failed (${error.message}), so files it converts (git-lfs) are checked out as they are stored`,
    ]
  }
}

/** The worktree's own directory below the clone's `worktrees/`; throws when `.git` does not name one. */
export async function adminDirectory(path: string): Promise<string> {
  const text = await readFile(join(path, '.git'), 'utf8')
  const match = /^gitdir: (.+?)\n*$/s.exec(text)
  if (match?.[1] === undefined) throw new Error(`${join(path, '.git')} names no git directory`)
  return resolve(path, match[1])
}

/** Replaces the reason of a locked worktree without ever unlocking it. */
export async function relabel(path: string, reason: string): Promise<void> {
  const admin = await adminDirectory(path)
  const temporary = join(admin, 'locked.new')
  await writeFile(temporary, `${reason}\n`)
  await rename(temporary, join(admin, 'locked'))
}
