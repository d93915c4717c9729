import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Git, RunCall } from './git.ts'
import { GitError } from './git-error.ts'
import { firstLogLine, namedAdminDir } from './registration.ts'
import type { Repository } from './repository.ts'
import { hasFilters, withoutFilters } from './safe-config.ts'

const CHECKOUT_DEADLINE_MS = 1_800_000

export interface CheckOutOptions {
  readonly signal: AbortSignal
  readonly sshAuthSock?: string | null | undefined
  readonly low?: boolean
}

export interface Move {
  readonly from: string
  readonly to: string
  readonly how: '--keep' | '--hard'
}

/** Fills a worktree with the files of its HEAD. Answers warnings. */
export function checkOut(
  git: Git,
  repository: Repository,
  path: string,
  options: CheckOutOptions,
): Promise<string[]> {
  return reset(git, repository, path, options, '--hard')
}

/**
 * Takes a filled worktree, and the branch it has checked out, from one commit to another: afterwards it is as if it
 * had been filled from there. `--keep`: whatever somebody wrote into it stays, and where that is in the way, this
 * fails. Answers warnings.
 */
export async function moveTo(
  git: Git,
  repository: Repository,
  path: string,
  { from, to, how }: Move,
  options: CheckOutOptions,
): Promise<string[]> {
  const call = callIn(repository, path, options)
  const warnings = await reset(git, repository, path, options, how, to)
  // git converts only the files that differ; what attributes say may concern all.
  const attributes = [from, to, '--', ':(glob)**/.gitattributes']
  const differ = (await git.text(call, 'diff-tree', '-r', '--name-only', ...attributes)) !== ''
  if (differ && how === '--keep') await refuseChanges(git, call)
  const admin = await namedAdminDir(path)
  if (differ) await rm(join(admin, 'index'))
  const again = differ ? await reset(git, repository, path, options, '--hard') : warnings
  if (how === '--hard' && repository.refsInFiles) await forgetHistory(repository, admin, to)
  return again
}

/** Nobody has worked here: where it came from is no commit that anybody could miss. */
async function forgetHistory(repository: Repository, admin: string, sha: string): Promise<void> {
  const head = await readFile(join(admin, 'HEAD'), 'utf8')
  const branch = /^ref: (refs\/heads\/.+)\n$/.exec(head)?.[1]
  if (branch !== undefined) await rm(join(repository.commonDir, 'logs', branch), { force: true })
  await rm(join(admin, 'ORIG_HEAD'), { force: true })
  await writeFile(join(admin, 'logs/HEAD'), firstLogLine(repository.zeroId, sha))
}

async function refuseChanges(git: Git, call: RunCall): Promise<void> {
  const { code } = await git.run({ ...call, expect: [0, 1] }, 'diff-index', '--quiet', 'HEAD')
  if (code === 1) throw new GitError('diff-index', code, 'files would be converted that somebody changed')
}

async function reset(
  git: Git,
  repository: Repository,
  path: string,
  options: CheckOutOptions,
  ...how: string[]
): Promise<string[]> {
  const call = callIn(repository, path, options)
  const run = (config: readonly string[]) =>
    git.run({ ...call, config }, 'reset', ...how, '--quiet', '--no-recurse-submodules')
  try {
    await run(repository.settings)
    return []
  } catch (error) {
    const byFilter =
      error instanceof GitError &&
      error.why === 'failed' &&
      /filter/i.test(error.stderr) &&
      hasFilters(repository.config) &&
      // Half of it may be done, and looks like somebody's work now.
      !how.includes('--keep')
    if (!byFilter) throw error
    await run([...repository.settings, ...withoutFilters(repository.config)])
    return [
      `a filter of this repository failed (${error.message}), so files it converts (git-lfs) are checked out as they are stored`,
    ]
  }
}

function callIn(repository: Repository, path: string, { signal, sshAuthSock, low }: CheckOutOptions) {
  return {
    dir: path,
    signal,
    sshAuthSock,
    config: repository.settings,
    // A partial clone fetches what it lacks.
    sshCommand: repository.sshCommand,
    deadlineMs: CHECKOUT_DEADLINE_MS,
    low: low ?? false,
  }
}
