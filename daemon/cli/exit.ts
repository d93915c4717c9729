import type { DaemonError, ErrorCode } from '../errors.ts'
import type { DaemonState } from '../wire/status-report.ts'

/** The contract's exit codes (section 1), each with its only meaning. */
export const EXIT = {
  ok: 0,
  failed: 1,
  usage: 2,
  notRunning: 3,
  notAnswering: 4,
  /** EX_TEMPFAIL: another daemon holds this home. */
  held: 75,
  /** EX_CONFIG: restarting would not help. */
  config: 78,
} as const

/** Of a command that failed. */
export function exitCodeOf(error: DaemonError): number {
  // ControlError's, told apart by its shape: importing it would cost every command the wire.
  if ('failure' in error && error.failure === 'not_answering') return EXIT.notAnswering
  return CODES[error.code] ?? EXIT.failed
}

const CODES: Partial<Record<ErrorCode, number>> = {
  DAEMON_UNREACHABLE: EXIT.notRunning,
}

/** Of `run`, for an error before the daemon ran. */
export function runExitCodeOf(error: DaemonError): number {
  if (error.code === 'CONFLICT') return EXIT.held
  if (error.code === 'VALIDATION_ERROR' || error.code === 'PERMISSION_DENIED') return EXIT.config
  return EXIT.failed
}

/** Of `status`. */
export const STATE_EXIT: Record<DaemonState, number> = {
  healthy: EXIT.ok,
  degraded: EXIT.failed,
  starting: EXIT.failed,
  draining: EXIT.failed,
  stopped: EXIT.notRunning,
  not_answering: EXIT.notAnswering,
}
