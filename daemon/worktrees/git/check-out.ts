import type { Git } from './git.ts'
import { GitError } from './git-error.ts'
import type { Repository } from './repository.ts'
import { hasFilters, withoutFilters } from './safe-config.ts'

const CHECKOUT_DEADLINE_MS = 1_800_000

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
    // A partial clone fetches what it lacks.
    sshCommand: repository.sshCommand,
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
