import { join } from 'node:path'
import type { Engine } from './engine.ts'
import { commitOf } from './git/refs.ts'
import { findAdminDir, register } from './git/registration.ts'
import { listWorktrees, onClone } from './git/repository.ts'
import { lstatOrNull } from './lstat-or-null.ts'

export interface LostWorktree {
  readonly repoRoot: string
  readonly path: string
  /** What it was on; if that branch is gone, or checked out elsewhere, HEAD is detached. */
  readonly branch: string | null
  readonly baseSha: string | null
  /** The lock reason it gets. */
  readonly reason: string
}

/**
 * A directory whose registration is gone (somebody pruned, or deleted `.git/worktrees/<name>`) becomes a worktree
 * again. Which changes were staged is lost with the old registration; no file is touched but `.git`.
 * False: the directory is something else now.
 */
export async function reregister(engine: Engine, lost: LostWorktree): Promise<boolean> {
  const dotGit = await lstatOrNull(join(lost.path, '.git'))
  if (dotGit?.isDirectory() === true) return false
  const repository = await engine.repositories.open(lost.repoRoot, engine.stopping)
  const call = onClone(repository, engine.stopping)
  return engine.lock.run(repository.commonDir, engine.stopping, async () => {
    if ((await findAdminDir(repository.commonDir, lost.path)) !== null) return true
    const tip = lost.branch === null ? null : await commitOf(engine.git, call, `refs/heads/${lost.branch}`)
    const start = tip ?? lost.baseSha ?? (await commitOf(engine.git, call, 'HEAD'))
    if (start === null) return false
    const isHeld = (await listWorktrees(engine.git, call)).some(({ branch }) => branch === lost.branch)
    const branch = tip === null || isHeld ? null : lost.branch
    const wanted = { path: lost.path, sha: start, branch, lockReason: lost.reason }
    await register(engine.git, repository, wanted, engine.stopping)
    await engine.git.run({ ...call, dir: lost.path }, 'read-tree', start)
    return true
  })
}
