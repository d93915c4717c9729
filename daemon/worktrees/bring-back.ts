import { codeOf } from '../errors.ts'
import type { Engine } from './engine.ts'
import { GitError } from './git/git-error.ts'
import { listWorktrees, onClone } from './git/repository.ts'
import type { JobRecord } from './job-record.ts'
import { lstatOrNull } from './lstat-or-null.ts'
import { parseMarker } from './marker.ts'
import { whoStands } from './standing.ts'
import { WorktreeError } from './worktree-error.ts'

/**
 * A worktree that somebody moved (`git worktree move -f -f` takes our lock along, so it is still ours) goes back to
 * its place, where it is handed over, saved and removed like any other: taken for deleted, its uncommitted work would
 * lie about where nobody looks, and "removed" would be untrue. One that was unlocked before is its mover's.
 * Answers with who stands in it, which leaves it where it is; null otherwise. Throws when git will not move it.
 */
export async function bringBack(engine: Engine, record: JobRecord): Promise<string | null> {
  if ((await lstatOrNull(record.path)) !== null) return null
  const repository = await engine.repositories.open(record.repoRoot, engine.stopping).catch(unlessGits)
  if (repository === null) return null
  const call = onClone(repository, engine.stopping)
  return engine.lock.run(repository.commonDir, engine.stopping, async () => {
    const moved = (await listWorktrees(engine.git, call)).find(
      ({ path, lockReason }) => path !== record.path && isOf(engine, record, lockReason),
    )
    if (moved === undefined || (await lstatOrNull(moved.path)) === null) return null
    const standing = await whoStands(moved.path)
    if (standing !== null) return `it was moved to ${moved.path}, and ${standing}`
    await engine.layout.open()
    try {
      await engine.git.run(call, 'worktree', 'move', '--force', '--force', moved.path, record.path)
    } catch (error) {
      if (!(error instanceof GitError) || engine.stopping.aborted) throw error
      throw new WorktreeError(
        `The worktree of this job was moved to ${moved.path} and cannot be moved back: ${error.message}`,
        `Move it back to ${engine.layout.shown(record.path)}; nothing in it was touched.`,
        { permanent: false, cause: error },
      )
    }
    engine.logger.info({ job: record.jobId, from: moved.path }, 'a worktree that was moved away is back')
    return null
  })
}

function isOf(engine: Engine, record: JobRecord, lockReason: string | null): boolean {
  const marker = parseMarker(lockReason)
  return marker?.kind === 'job' && marker.id === record.jobId && marker.instanceId === engine.instanceId
}

/** A clone that cannot be asked knows of no other place. */
function unlessGits(error: unknown): null {
  if (error instanceof GitError || codeOf(error) === 'ENOENT') return null
  throw error
}
