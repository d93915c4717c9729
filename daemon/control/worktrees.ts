import { isAbsolute } from 'node:path'
import { DaemonError, notFound } from '../errors.ts'
import { daemonCommand } from '../wire/daemon-command.ts'
import { isJobId } from '../worktrees/layout.ts'
import type { ControlMethod } from './control-method.ts'
import { Params } from './params.ts'
import { taskTitles } from './task-titles.ts'

/** Each worktree with its job, and all saved work. */
export const worktreesMethod: ControlMethod = {
  name: 'worktrees',
  async call(_params, context) {
    const { worktrees, config } = context
    const [list, saved] = await Promise.all([worktrees.list(), worktrees.saved()])
    const titles = await taskTitles(
      context,
      [...list, ...saved].flatMap(({ jobId }) => jobId ?? []),
    )
    const titleOf = (jobId: string | null) => (jobId === null ? null : (titles.get(jobId) ?? null))
    return {
      directory: config.worktreeDir,
      worktrees: list.map((tree) => ({
        job_id: tree.jobId,
        task: titleOf(tree.jobId),
        path: tree.path,
        branch: tree.branch,
        state: tree.state,
        dirty: tree.dirty,
        bytes: tree.bytes,
        reason: tree.reason,
      })),
      saved: saved.map((work) => ({
        job_id: work.jobId,
        task: titleOf(work.jobId),
        n: work.n,
        ref: work.ref,
        repo_root: work.repoRoot,
        branch: work.branch,
        saved_at: work.savedAt,
        restore_command: daemonCommand(work.restoreCommand, config.paths),
      })),
    }
  },
}

/** Saved work back as a branch in a new worktree. */
export const worktreeRestoreMethod: ControlMethod = {
  name: 'worktree-restore',
  async call(params, { worktrees, worktreesChanged }) {
    const given = new Params(params)
    const path = given.optionalText('path')
    if (path !== undefined && !isAbsolute(path)) {
      throw new DaemonError('VALIDATION_ERROR', 'path must be absolute', 'Nothing was changed.')
    }
    const n = given.optionalNumber('n')
    const restored = await worktrees.restore({
      jobId: jobOf(given),
      ...(path === undefined ? {} : { path }),
      ...(n === undefined ? {} : { n }),
    })
    worktreesChanged()
    return { path: restored.path, branch: restored.branch, ref: restored.ref, warnings: restored.notes }
  },
}

/** Forgets a job's saved work for good. */
export const worktreeDropMethod: ControlMethod = {
  name: 'worktree-drop',
  async call(params, { worktrees, worktreesChanged }) {
    const { refs } = await worktrees.drop(jobOf(new Params(params)))
    worktreesChanged()
    return { dropped: refs }
  },
}

/** What can be no job's id reads like a job without saved work, as ids do everywhere (contract 6). */
function jobOf(given: Params): string {
  const id = given.text('job_id', 200)
  if (!isJobId(id)) throw notFound('Saved work of job', id)
  return id
}
