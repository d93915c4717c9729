import { readHolder } from './holder.ts'
import type { Invocation } from './invocation.ts'
import { findService } from './service.ts'
import { startStopped } from './start.ts'
import { stopProcess } from './stop.ts'

/**
 * Lets the daemon finish what is in flight, then starts the next one; sessions are told that it comes
 * and reconnect by themselves. Without a running daemon it is `start`.
 */
export async function restart(invocation: Invocation): Promise<number> {
  const holder = await readHolder(invocation.paths)
  if (holder !== undefined) await stopProcess(invocation, holder, 'restart')
  // A supervisor starts it again by itself, after a pause; asking for it skips the pause.
  const service = await findService(invocation.paths)
  if (service !== undefined) await service.restart()
  return startStopped(invocation)
}
