import { sqlStateOf } from '../backlog/sqlstate.ts'
import { codeOf, DaemonError } from '../errors.ts'

const PRISMA_UNREACHABLE = new Set(['P1001', 'P1002', 'P1008', 'P1017', 'P2024', 'P2028', 'P2037'])
const NODE_UNREACHABLE = /^(?:ECONN\w+|EPIPE|ETIMEDOUT|ENOTFOUND|EAI_AGAIN|ENOENT|EHOSTUNREACH|ENETUNREACH)$/
/** Connection exceptions, shutdown, starting up, too many connections, statement timeout. */
const STATE_UNREACHABLE = /^(?:08...|57P0[1-4]|53300|57014)$/

/** DATABASE_UNAVAILABLE or CONFLICT if that is what the database's error means, else undefined. */
export function databaseFailure(thrown: unknown): DaemonError | undefined {
  const state = sqlStateOf(thrown)
  if (state === '40001' || state === '40P01' || state === '55P03') {
    return new DaemonError(
      'CONFLICT',
      'somebody else is changing the same item right now',
      'Nothing was changed; call again.',
      thrown,
    )
  }
  const code = codeOf(thrown)
  const unreachable =
    (state !== undefined && STATE_UNREACHABLE.test(state)) ||
    (code !== undefined && (PRISMA_UNREACHABLE.has(code) || NODE_UNREACHABLE.test(code))) ||
    /Connection terminated|timeout exceeded when trying to connect|Query read timeout/i.test(String(thrown))
  if (!unreachable) return undefined
  return new DaemonError(
    'DATABASE_UNAVAILABLE',
    'the database does not answer',
    'Call again in a moment; `scrum4me-daemon status` says what is wrong.',
    thrown,
  )
}
