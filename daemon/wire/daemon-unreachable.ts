import { DaemonError } from '../errors.ts'
import type { Paths } from '../paths.ts'
import { daemonCommand } from './daemon-command.ts'

/** What a session is told whose calls no daemon takes, with the command that helps. `isThere`: somebody listens. */
export function daemonUnreachable(
  paths: Pick<Paths, 'home' | 'isDefaultHome'>,
  isThere: boolean,
): DaemonError {
  if (isThere) {
    return new DaemonError(
      'DAEMON_UNREACHABLE',
      'The Scrum4Me daemon is there but does not answer',
      `Try again; if it stays so, look at \`${daemonCommand('status', paths)}\`.`,
    )
  }
  return new DaemonError(
    'DAEMON_UNREACHABLE',
    `No Scrum4Me daemon is running for ${paths.home}`,
    `Start it with \`${daemonCommand('start', paths)}\`, then call again.`,
  )
}
