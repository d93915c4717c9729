import { DaemonError } from '../errors.ts'
import type { Paths } from '../paths.ts'

/** A command line of ours for this home, as a person can paste it. */
export function commandFor(paths: Paths, command: string): string {
  return `scrum4me-daemon ${command}${paths.isDefaultHome ? '' : ` --home ${shellWord(paths.home)}`}`
}

export function shellWord(text: string): string {
  return /^[A-Za-z0-9_./:@%+,=-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`
}

export function notRunning(paths: Paths): DaemonError {
  return new DaemonError(
    'DAEMON_UNREACHABLE',
    `No daemon is running for ${paths.home}`,
    `Start it with \`${commandFor(paths, 'start')}\`.`,
  )
}
