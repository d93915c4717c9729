import type { Engine } from './engine.ts'
import { fetchBranch } from './git/fetch.ts'
import { GitError } from './git/git-error.ts'
import { commitOf } from './git/refs.ts'
import { onClone, openRepository, type Repository } from './git/repository.ts'
import type { JobRecord } from './job-record.ts'

/** A report waits for this answer, so origin gets little time. */
const DEADLINE_MS = 20_000

/**
 * Whether `origin/<branch>` contains the worktree's HEAD (contract 6). What is fetched already is believed;
 * otherwise origin is asked for that one branch. Origin out of reach reads as not pushed.
 */
export async function headIsPushed(engine: Engine, record: JobRecord, branch: string): Promise<boolean> {
  const repository = await openRepository(engine.git, record.repoRoot, engine.stopping)
  if (!repository.hasOrigin || !(await isBranchName(engine, repository, branch))) return false
  const head = await commitOf(engine.git, { dir: record.path, signal: engine.stopping }, 'HEAD')
  if (head === null) return false
  const contains = () => remoteContains(engine, repository, branch, head)
  if (await contains()) return true
  try {
    await engine.lock.run(repository.commonDir, engine.stopping, () =>
      fetchBranch(engine.git, repository, branch, {
        sshAuthSock: record.sshAuthSock ?? undefined,
        signal: engine.stopping,
        deadlineMs: DEADLINE_MS,
      }),
    )
  } catch (error) {
    if (error instanceof GitError) return false
    throw error
  }
  return contains()
}

async function isBranchName(engine: Engine, repository: Repository, branch: string): Promise<boolean> {
  const { code } = await engine.git.run(
    { ...onClone(repository, engine.stopping), expect: [0, 1, 128] },
    'check-ref-format',
    '--branch',
    branch,
  )
  return code === 0 && !branch.startsWith('@')
}

async function remoteContains(
  engine: Engine,
  repository: Repository,
  branch: string,
  head: string,
): Promise<boolean> {
  const call = { ...onClone(repository, engine.stopping), expect: [0, 1, 128] }
  const ref = `refs/remotes/origin/${branch}`
  const { code } = await engine.git.run(call, 'merge-base', '--is-ancestor', head, ref)
  return code === 0
}
