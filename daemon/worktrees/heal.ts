import { access, rmdir, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import type { Engine } from './engine.ts'
import { findAdminDir, namedAdminDir } from './git/registration.ts'
import type { JobRecord } from './job-record.ts'
import { lstatOrNull } from './lstat-or-null.ts'
import { markerText } from './marker.ts'
import { type LostWorktree, reregister } from './reregister.ts'

/** True: the worktree's directory is there and the clone knows it (again). */
export async function heal(engine: Engine, record: JobRecord): Promise<boolean> {
  if (await isIntact(record)) return true
  if ((await lstatOrNull(record.path))?.isDirectory() !== true) return false
  return reregister(engine, lostOf(engine, record))
}

/**
 * So that what is left of a worktree can be saved and removed like any other: one that somebody ended with
 * `git worktree remove` has its branch left, and is as if only its directory had been deleted.
 */
export async function healForRemoval(engine: Engine, record: JobRecord): Promise<void> {
  if ((await heal(engine, record)) || (await lstatOrNull(record.path)) !== null) return
  if ((await findAdminDir(record.commonDir, record.path)) !== null) return
  if (!(await reregister(engine, lostOf(engine, record)))) return
  await unlink(join(record.path, '.git'))
  // Should somebody have put something there, it is saved.
  await rmdir(record.path).catch(() => undefined)
}

function lostOf(engine: Engine, record: JobRecord): LostWorktree {
  const reason = markerText({ instanceId: engine.instanceId, kind: 'job', id: record.jobId })
  return { ...record, reason }
}

async function isIntact(record: JobRecord): Promise<boolean> {
  try {
    const admin = await namedAdminDir(record.path)
    await access(join(admin, 'HEAD'))
    return admin.startsWith(`${record.commonDir}/worktrees/`)
  } catch {
    return false
  }
}
