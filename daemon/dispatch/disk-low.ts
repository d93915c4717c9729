import type { DispatchPorts } from './ports.ts'

/** Whether the disk of the worktrees has less room than the user's floor; below it no job is claimed. */
export async function isDiskLow({ settings, worktrees }: DispatchPorts): Promise<boolean> {
  if (settings.minFreeDiskBytes <= 0) return false
  // A directory that cannot even be asked is told to whoever gets a job for it.
  const free = await worktrees.freeDiskBytes().catch(() => Number.POSITIVE_INFINITY)
  return free < settings.minFreeDiskBytes
}
