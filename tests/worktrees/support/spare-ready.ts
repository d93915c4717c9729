import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { until } from '../../support/until.ts'
import type { Workspace } from './workspace.ts'

/** The path of the one spare, once it is ready. */
export function spareReady(space: Workspace, state = space.state): Promise<string> {
  return until('the spare is ready', async () => {
    const directory = join(state, 'worktrees/spares')
    for (const name of await readdir(directory).catch(() => [])) {
      // Beside it may be what is being written.
      if (!name.endsWith('.json')) continue
      const record = JSON.parse(await readFile(join(directory, name), 'utf8').catch(() => '{}'))
      if (record.phase === 'ready') return join(space.parent, '.spare', record.name)
    }
    return null
  })
}
