import { DaemonError } from '../errors.ts'
import { nameForeignDatabase } from './ask-daemon.ts'
import { readHolder } from './holder.ts'
import type { Invocation } from './invocation.ts'
import { checkNextConfig } from './next-config.ts'
import { findService } from './service/find-service.ts'
import { announce, startStopped, untilStarted } from './start.ts'
import { stopProcess } from './stop.ts'

/**
 * Lets the daemon finish what is in flight, then starts the next one; sessions are told that it comes
 * and reconnect by themselves. Refuses when the next one could not start. Without a running daemon it is `start`.
 */
export async function restart(invocation: Invocation): Promise<number> {
  const holder = await readHolder(invocation.paths)
  const service = await findService(invocation)
  if (holder === undefined) return startStopped(invocation)
  await checkNextConfig(invocation, service)
  await nameForeignDatabase(invocation, { taken: service === undefined })
  // Asked for over the socket, never by the supervisor's signal: only so do sessions hear that the next one comes.
  await stopProcess(invocation, holder, 'restart')
  if (service === undefined) return startStopped(invocation, 'Restarted')
  try {
    // The supervisor starts it again by itself, after a pause; asking for it skips the pause.
    await service.restart()
  } catch (error) {
    // Of a system service the user may end the daemon, but only root may skip the pause.
    if (!(error instanceof DaemonError) || error.code !== 'PERMISSION_DENIED') throw error
  }
  return announce(invocation, await untilStarted(invocation), 'Restarted')
}
