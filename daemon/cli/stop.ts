import { endLeftServer } from '../db/embedded/end-server.ts'
import { DaemonError } from '../errors.ts'
import { control } from '../ipc/control-client.ts'
import type { Paths } from '../paths.ts'
import { nameForeignDatabase } from './ask-daemon.ts'
import { EXIT } from './exit.ts'
import { type Holder, isAlive, readHolder, waitUntilGone } from './holder.ts'
import type { Invocation } from './invocation.ts'
import { findService } from './service/find-service.ts'

/** Drain (10 s for calls in flight), then services in order, the embedded database last. */
const STOP_DEADLINE_MS = 30_000
/** For one that did not react: its signal handler gets this long before SIGKILL. */
const FORCE_DEADLINE_MS = 5_000
const ASK_DEADLINE_MS = 2_000

/** Returns when the daemon's process is gone, and the database it may have been killed beside; 0 also when none ran. */
export async function stop(invocation: Invocation): Promise<number> {
  const { terminal, paths } = invocation
  const holder = await readHolder(paths)
  const service = await findService(invocation)
  if (holder !== undefined) await nameForeignDatabase(invocation)
  // Also when no process is there: a supervisor may be about to restart it.
  if (service !== undefined) await service.stop()
  if (holder !== undefined && (await isAlive(holder))) await stopProcess(invocation, holder, 'stop')
  const left = await endLeftServer(paths)
  terminal.out(holder === undefined ? 'No daemon was running.' : `Stopped (pid ${holder.pid}).`)
  if (left !== null)
    terminal.out(`The embedded database that was left of a killed one (pid ${left}) is stopped, too.`)
  return EXIT.ok
}

/**
 * Ends the process: asks it, else signals it, else kills it. `restart` tells sessions that the next
 * daemon comes at once.
 */
export async function stopProcess(
  { terminal, paths }: Invocation,
  holder: Holder,
  reason: 'stop' | 'restart',
): Promise<void> {
  if (!(await askToEnd(paths, reason))) {
    // It does not answer, or is of a release without this method: a signal asks the same.
    signal(holder, 'SIGTERM')
    // A suspended process would get the signal only when it is resumed.
    signal(holder, 'SIGCONT')
  }
  if (await waitUntilGone(holder, STOP_DEADLINE_MS)) return
  terminal.err(`pid ${holder.pid} did not end within ${STOP_DEADLINE_MS / 1000} s and is killed.`)
  signal(holder, 'SIGKILL')
  if (await waitUntilGone(holder, FORCE_DEADLINE_MS)) return
  throw new DaemonError(
    'INTERNAL',
    `The daemon (pid ${holder.pid}) could not be ended`,
    'It hangs in the kernel, most likely on a file system that does not answer; look at `ps`.',
  )
}

/**
 * Asks the daemon to drain and end; `restart` tells its sessions that the next one comes. False: it did not
 * hear. `owner`: for root, the uid of the user whose daemon it is.
 */
export async function askToEnd(
  paths: Pick<Paths, 'socket'>,
  reason: 'stop' | 'restart',
  owner?: number,
): Promise<boolean> {
  const whose = owner === undefined ? {} : { owner }
  return control(paths.socket, 'stop', { reason }, { timeoutMs: ASK_DEADLINE_MS, ...whose }).then(
    () => true,
    () => false,
  )
}

function signal(holder: Holder, name: NodeJS.Signals): void {
  try {
    process.kill(holder.pid, name)
  } catch {
    // Gone in this moment: that is what was wanted.
  }
}
