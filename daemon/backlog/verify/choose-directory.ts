import { realpath } from 'node:fs/promises'
import { isAbsolute, sep } from 'node:path'
import { DaemonError } from '../../errors.ts'

/**
 * The directory to look at: the given one if it lies in the job's worktree or in the product's clone known here,
 * else the job's worktree. Git must never run in a directory only because a caller named it. Links are resolved
 * before the comparison; a path that does not exist reads the same as one that is not allowed.
 */
export async function chooseDirectory(
  given: string | undefined,
  worktree: string | undefined,
  clone: string | undefined,
): Promise<string> {
  if (given === undefined) {
    if (worktree !== undefined) return worktree
    throw new DaemonError(
      'CONFLICT',
      'no job for this task is held on this machine, so there is no worktree to look at',
      "Claim it with wait_for_job, or name a directory in the product's clone as worktree_path.",
    )
  }
  const target = isAbsolute(given) && !given.includes('\0') ? await resolved(given) : undefined
  for (const allowed of [worktree, clone]) {
    const root = allowed === undefined ? undefined : await resolved(allowed)
    if (target === undefined || root === undefined) continue
    if (target === root || target.startsWith(root + sep)) return target
  }
  const places = [worktree, clone].filter((place) => place !== undefined)
  throw new DaemonError(
    'VALIDATION_ERROR',
    "worktree_path must be a directory in the worktree of the task's job or in the product's clone on this machine",
    places.length > 0 ? `Use ${places.join(' or ')}.` : 'None of them is known here; claim the job first.',
  )
}

function resolved(path: string): Promise<string | undefined> {
  return realpath(path).catch(() => undefined)
}
