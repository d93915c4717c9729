import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DaemonError } from '../errors.ts'
import type { Paths } from '../paths.ts'
import { VERSION } from '../version.ts'
import type { StatusReport } from '../wire/status-report.ts'
import { commandFor } from './advice.ts'
import { HELLO_DEADLINE_MS, isListening } from './ask-daemon.ts'
import { control } from './seams.ts'

/**
 * The state of this home's daemon, whatever it is: a report also when there is no daemon or it does not
 * answer. Changes nothing. Throws only what the daemon itself answered as an error.
 */
export async function fetchStatus(paths: Paths): Promise<StatusReport> {
  const answer = control(paths.socket, 'status', {}, { timeoutMs: HELLO_DEADLINE_MS })
  try {
    // A suspended process cannot answer: the kernel says so at once, no need to wait for the deadline.
    const first = await Promise.race([answer, whenSuspended(paths)])
    if (first === 'suspended') {
      answer.catch(() => undefined)
      return silent(paths, 'its process is suspended (SIGSTOP)', `Resume it with \`kill -CONT\`, or end it: `)
    }
    if (!isStatusReport(first)) {
      return silent(paths, 'its answer is no status report of this release', 'It is of another release: ')
    }
    return first
  } catch (error) {
    if (!(error instanceof DaemonError) || error.code !== 'DAEMON_UNREACHABLE') throw error
    if (!(await isListening(paths.socket))) return stopped(paths)
    return silent(paths, `no hello within ${HELLO_DEADLINE_MS / 1000} s`, '')
  }
}

export function isStatusReport(value: unknown): value is StatusReport {
  if (typeof value !== 'object' || value === null) return false
  return (
    'state' in value &&
    typeof value.state === 'string' &&
    'problems' in value &&
    Array.isArray(value.problems) &&
    'sessions' in value &&
    Array.isArray(value.sessions) &&
    'jobs' in value &&
    Array.isArray(value.jobs)
  )
}

function stopped(paths: Paths): StatusReport {
  return {
    ...NOTHING,
    state: 'stopped',
    problems: [
      {
        code: 'NOT_RUNNING',
        message: `No daemon is running for ${paths.home}.`,
        remedy: `Start it with \`${commandFor(paths, 'start')}\`.`,
      },
    ],
  }
}

function silent(paths: Paths, why: string, prefix: string): StatusReport {
  const restart = commandFor(paths, 'restart')
  return {
    ...NOTHING,
    state: 'not_answering',
    problems: [
      {
        code: 'NOT_ANSWERING',
        message: `A daemon holds ${paths.socket} but does not answer: ${why}.`,
        remedy: `${prefix}\`${restart}\` ends it and starts another (version ${VERSION}); \`${commandFor(paths, 'logs')}\` shows what it did last.`,
      },
    ],
  }
}

const NOTHING = {
  daemon: null,
  presence: null,
  database: null,
  sessions: [],
  jobs: [],
  worktrees: null,
  queue: null,
}

/** Resolves if the holder's process is stopped by a signal, else never. Linux only. */
async function whenSuspended(paths: Paths): Promise<'suspended'> {
  const pid = Number.parseInt(await readFile(join(paths.runDir, 'daemon.pid'), 'utf8').catch(() => ''), 10)
  const stat = pid > 0 ? await readFile(`/proc/${pid}/stat`, 'latin1').catch(() => '') : ''
  // `pid (name) state …`; the name may itself hold parentheses.
  const isStopped = stat.slice(stat.lastIndexOf(')') + 2).startsWith('T')
  if (isStopped && (await isListening(paths.socket))) return 'suspended'
  return new Promise(() => undefined)
}
