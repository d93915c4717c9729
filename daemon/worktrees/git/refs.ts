import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Git, GitCall } from './git.ts'
import { GitError } from './git-error.ts'
import { onClone, type Repository } from './repository.ts'

/** The commit a ref or expression names; null when it names none. */
export async function commitOf(git: Git, call: GitCall, expression: string): Promise<string | null> {
  const { code, stdout } = await git.run(
    { ...call, expect: [0, 1, 128] },
    'rev-parse',
    '--verify',
    '--quiet',
    '--end-of-options',
    `${expression}^{commit}`,
  )
  return code === 0 ? stdout.toString().trim() : null
}

/** Whether any ref of the clone, or its HEAD, names a commit: without one no job can start. */
export async function hasCommit(git: Git, call: GitCall): Promise<boolean> {
  const { code, stdout } = await git.run({ ...call, expect: [0, 128] }, 'rev-list', '--max-count=1', '--all')
  // 128: a ref that cannot be read is one all the same.
  return code !== 0 || stdout.length > 0
}

/** git's lock of a ref, where it keeps refs in files; one that is there while nobody works is of a git that was killed. */
export function lockOfRef({ commonDir }: Repository, ref: string): string {
  return join(commonDir, `${ref}.lock`)
}

/** Makes a branch; false when a branch of that name is there already. */
export async function createBranch(
  git: Git,
  call: GitCall,
  branch: string,
  sha: string,
  zeroId: string,
): Promise<boolean> {
  try {
    await git.run(call, 'update-ref', '-m', 'branch: for a job', `refs/heads/${branch}`, sha, zeroId)
    return true
  } catch (error) {
    if (error instanceof GitError && /already exists/.test(error.stderr)) return false
    throw error
  }
}

/** Deletes a branch if it is still at `sha`, with its `branch.<name>` configuration; false when it moved. */
export async function deleteBranch(
  git: Git,
  repository: Repository,
  branch: string,
  sha: string,
  signal?: AbortSignal,
): Promise<boolean> {
  const call = onClone(repository, signal)
  try {
    await git.run(call, 'update-ref', '-d', `refs/heads/${branch}`, sha)
  } catch (error) {
    if (error instanceof GitError && /but expected|unable to resolve reference/.test(error.stderr))
      return false
    throw error
  }
  // Pushing with -u left a section behind. Read now: a `Repository` may be older than the push.
  const text = await readFile(join(repository.commonDir, 'config'), 'utf8').catch(() => '')
  if (!text.includes(`"${branch}"`)) return true
  // 5, 128: gone meanwhile.
  await git.run(
    { ...call, expect: [0, 1, 5, 128] },
    'config',
    '--local',
    '--remove-section',
    `branch.${branch}`,
  )
  return true
}
