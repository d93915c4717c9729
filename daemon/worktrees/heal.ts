import { access } from 'node:fs/promises'
import { join } from 'node:path'
import type { Engine } from './engine.ts'
import { namedAdminDir } from './git/registration.ts'
import type { JobRecord } from './job-record.ts'
import { lstatOrNull } from './lstat-or-null.ts'
import { markerText } from './marker.ts'
import { reregister } from './reregister.ts'

/** True: the worktree's directory is there and the clone knows it (again). */
export async function heal(engine: Engine, record: JobRecord): Promise<boolean> {
  if (await isIntact(record)) return true
  if ((await lstatOrNull(record.path))?.isDirectory() !== true) return false
  const reason = markerText({ instanceId: engine.instanceId, kind: 'job', id: record.jobId })
  return reregister(engine, { ...record, reason })
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
