import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Config } from '../config/config.ts'
import { silentLogger } from '../logger.ts'
import { readInstanceId } from '../state/instance-id.ts'
import { Worktrees } from '../worktrees/worktrees.ts'

/**
 * Removes the spare worktrees, which are the daemon's own and would stay in people's clones for good: nobody would know
 * of them any more. What somebody put into one is saved first. The daemon must be gone. Answers the paths that stay,
 * because somebody works there or their clone cannot be opened.
 */
export async function takeBackSpares(config: Config, env: NodeJS.ProcessEnv): Promise<readonly string[]> {
  const { home, stateDir } = config.paths
  const records = await readdir(join(stateDir, 'worktrees', 'spares')).catch(() => [])
  if (records.length === 0) return []
  const worktrees = new Worktrees({
    ...{ parentDir: config.worktreeDir, stateDir, env },
    instanceId: await readInstanceId(home, stateDir),
    salvageMaxBytes: config.salvageMaxBytes,
    minFreeDiskBytes: 0,
    spares: false,
    logger: silentLogger,
  })
  try {
    return await worktrees.takeBackSpares()
  } finally {
    await worktrees.stop()
  }
}
