import type { Git } from './git.ts'
import { GitError } from './git-error.ts'
import { onClone, type Repository } from './repository.ts'

const DEADLINE_MS = 600_000
const IDLE_MS = 45_000
const ATTEMPTS = 5

/** `remote.origin.uploadpack` of the clone's own configuration could name any program; only an option wins over it. */
export const UPLOAD_PACK = '--upload-pack=git-upload-pack'

export interface FetchOptions {
  readonly sshAuthSock?: string | null | undefined
  readonly signal?: AbortSignal | undefined
  readonly deadlineMs?: number
}

/**
 * Fetches one branch of origin into its remote-tracking ref and touches nothing else: no other ref,
 * no tag, no FETCH_HEAD, nothing pruned, no submodule, whatever the clone's configuration says.
 */
export async function fetchBranch(
  git: Git,
  repository: Repository,
  branch: string,
  options: FetchOptions,
): Promise<void> {
  const call = {
    ...onClone(repository, options.signal),
    sshAuthSock: options.sshAuthSock,
    deadlineMs: options.deadlineMs ?? DEADLINE_MS,
    idleMs: IDLE_MS,
  }
  const args = [
    'fetch',
    // Progress is what tells a slow fetch from a dead one.
    '--progress',
    '--no-tags',
    '--no-prune',
    '--no-write-fetch-head',
    '--no-recurse-submodules',
    '--no-auto-maintenance',
    '--refmap=',
    UPLOAD_PACK,
    'origin',
    `+refs/heads/${branch}:refs/remotes/origin/${branch}`,
  ]
  for (let attempt = 1; ; attempt += 1) {
    try {
      await git.run(call, ...args)
      return
    } catch (error) {
      if (!isOvertaken(error) || attempt === ATTEMPTS) throw error
    }
  }
}

/** Another fetch of the same branch was quicker with the same news. */
function isOvertaken(error: unknown): boolean {
  return error instanceof GitError && /cannot lock ref .* but expected/.test(error.stderr)
}
