import type { Git } from './git.ts'
import { onClone, type Repository } from './repository.ts'

const DEADLINE_MS = 600_000
const IDLE_MS = 45_000

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
  await git.run(
    {
      ...onClone(repository, options.signal),
      sshAuthSock: options.sshAuthSock,
      deadlineMs: options.deadlineMs ?? DEADLINE_MS,
      idleMs: IDLE_MS,
    },
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
  )
}
