import type { Engine } from './engine.ts'
import { REAL_HISTORY } from './git/environment.ts'
import { fetchBranch } from './git/fetch.ts'
import { GitError } from './git/git-error.ts'
import { onClone, type Repository } from './git/repository.ts'
import type { JobRecord } from './job-record.ts'

/** A report waits for this answer, so origin gets little time. */
const DEADLINE_MS = 20_000

/**
 * Whether `origin/<branch>` contains the worktree's HEAD (contract 6). What is fetched already is believed;
 * otherwise origin is asked for that one branch. Origin out of reach reads as not pushed.
 */
export async function headIsPushed(engine: Engine, record: JobRecord, branch: string): Promise<boolean> {
  const repository = await engine.repositories.open(record.repoRoot, engine.stopping)
  // `origin/HEAD` is no branch.
  if (!repository.hasOrigin || branch === 'HEAD') return false
  const contains = () => remoteContainsHead(engine, repository, record.path, branch)
  if (await contains()) return true
  if (!(await isBranchName(engine, repository, branch))) return false
  try {
    await fetchBranch(engine.git, repository, branch, {
      sshAuthSock: record.sshAuthSock ?? undefined,
      signal: engine.stopping,
      deadlineMs: DEADLINE_MS,
    })
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

/** False as well when HEAD names no commit. A name that is no branch's matches no ref, or one of another name. */
async function remoteContainsHead(
  engine: Engine,
  repository: Repository,
  path: string,
  branch: string,
): Promise<boolean> {
  const ref = `refs/remotes/origin/${branch}`
  const { stdout } = await engine.git.run(
    { ...onClone(repository, engine.stopping), dir: path, env: REAL_HISTORY, expect: [0, 1, 128, 129] },
    'for-each-ref',
    '--format=%(refname)',
    '--contains=HEAD',
    ref,
  )
  return stdout.toString().split('\n').includes(ref)
}
