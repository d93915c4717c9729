import { access, rmdir, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { bringBack } from './bring-back.ts'
import type { Engine } from './engine.ts'
import { findAdminDir, namedAdminDir } from './git/registration.ts'
import type { JobRecord } from './job-record.ts'
import { lstatOrNull } from './lstat-or-null.ts'
import { markerText } from './marker.ts'
import { type LostWorktree, reregister } from './reregister.ts'
import { WorktreeError } from './worktree-error.ts'

/** True: the worktree's directory is there and the clone knows it (again). Throws when it is elsewhere and stays there. */
export async function heal(engine: Engine, record: JobRecord): Promise<boolean> {
  const away = await bringBack(engine, record)
  if (away === null) return healInPlace(engine, record)
  throw new WorktreeError(
    `The worktree of this job cannot be used: ${away}`,
    'Ask again when that process has left it; nothing in it was touched.',
    { permanent: false },
  )
}

/**
 * So that what is left of a worktree can be saved and removed like any other: one that somebody ended with
 * `git worktree remove` has its branch left, and is as if only its directory had been deleted. Answers why it cannot
 * be removed yet; null when it can.
 */
export async function healForRemoval(engine: Engine, record: JobRecord): Promise<string | null> {
  const away = await bringBack(engine, record)
  if (away !== null) return away
  if ((await healInPlace(engine, record)) || (await lstatOrNull(record.path)) !== null) return null
  if ((await findAdminDir(record.commonDir, record.path)) !== null) return null
  if (!(await reregister(engine, lostOf(engine, record)))) return null
  await unlink(join(record.path, '.git'))
  // Should somebody have put something there, it is saved.
  await rmdir(record.path).catch(() => undefined)
  return null
}

async function healInPlace(engine: Engine, record: JobRecord): Promise<boolean> {
  if (await isIntact(record)) return true
  if ((await lstatOrNull(record.path))?.isDirectory() !== true) return false
  return reregister(engine, lostOf(engine, record))
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
