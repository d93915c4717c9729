import { readHolder } from './holder.ts'
import type { Invocation } from './invocation.ts'
import { findService } from './service/find-service.ts'
import { startStopped } from './start.ts'
import { stopProcess } from './stop.ts'

/**
 * Lets the daemon finish what is in flight, then starts the next one; sessions are told that it comes
 * and reconnect by themselves. Without a running daemon it is `start`.
 */
export async function restart(invocation: Invocation): Promise<number> {
  const holder = await readHolder(invocation.paths)
  const service = await findService(invocation)
  if (holder !== undefined) await stopProcess(invocation, holder, 'restart')
  // A supervisor starts it again by itself, after a pause; asking for it skips the pause.
  if (service !== undefined && holder !== undefined) await service.restart()
  return startStopped(invocation)
}
