import { codeOf, type DaemonError, sentence, toDaemonError } from '../errors.ts'
import { checkHome } from '../ipc/check-home.ts'
import { ControlError, control } from '../ipc/control-client.ts'
import { delay } from '../lifecycle/delay.ts'
import type { Paths } from '../paths.ts'
import { VERSION } from '../version.ts'
import { daemonCommand, withHome } from '../wire/daemon-command.ts'
import { NOTHING_KNOWN, type StatusReport } from '../wire/status-report.ts'
import { isStalled, isSuspended, readHolder } from './holder.ts'

/** Contract 1: no hello within this time means "not answering". */
const HELLO_DEADLINE_MS = 2_000

/**
 * The state of this home's daemon, whatever it is: a report also when there is no daemon or it does not
 * answer. Changes nothing. Throws only what the daemon itself answered as an error. `owner`: for root, the
 * uid of the user whose daemon it is.
 */
export async function fetchStatus(paths: Paths, owner?: number): Promise<StatusReport> {
  const whose = owner === undefined ? {} : { owner }
  const answer = control(
    paths.socket,
    'status',
    {},
    { timeoutMs: HELLO_DEADLINE_MS, home: paths.home, ...whose },
  )
  try {
    // Of a process that cannot answer there is other word, at once: no need to wait for the deadline.
    const first = await Promise.race([answer, whenStuck(paths)])
    if (first === 'stalled' || first === 'suspended') {
      answer.catch(() => undefined)
      return await stuckReport(paths, first)
    }
    if (!isStatusReport(first)) {
      return await silent(
        paths,
        'its answer is no status report of this release',
        'It is of another release: ',
      )
    }
    return first
  } catch (error) {
    if (!(error instanceof ControlError)) throw error
    if (error.failure === 'not_running') {
      // macOS refuses connections when too many wait for a process that does not accept them.
      const stuck = await stuckNow(paths)
      return stuck === undefined ? stopped(paths) : await stuckReport(paths, stuck)
    }
    if (error.failure === 'not_answering') return await silent(paths, 'no answer within 2 s', '')
    throw error
  }
}

/**
 * As `fetchStatus`, a report also where the home or the socket's directory cannot be looked at: its problem is
 * why. Throws what is left.
 */
export async function fetchReport(paths: Paths): Promise<StatusReport> {
  try {
    return await fetchStatus(paths)
  } catch (error) {
    const fault = await pathFault(paths, error)
    if (fault === undefined) throw error
    const holder = await readHolder(paths).catch(() => undefined)
    return {
      ...NOTHING_KNOWN,
      state: holder === undefined ? 'stopped' : 'not_answering',
      problems: [
        {
          code: fault.code,
          message: sentence(fault.message),
          remedy: withHome(sentence(fault.remedy), paths),
        },
      ],
    }
  }
}

/** The fault of a path that kept us from asking; the home's own check says it best. */
async function pathFault(paths: Paths, error: unknown): Promise<DaemonError | undefined> {
  if (error instanceof ControlError) {
    return error.failure === 'refused' && error.code === 'PERMISSION_DENIED' ? error : undefined
  }
  const fault = toDaemonError(
    await checkHome(paths.home).then(
      () => error,
      (why: unknown) => (codeOf(why) === 'ENOENT' ? error : why),
    ),
  )
  return fault.code === 'PERMISSION_DENIED' || fault.code === 'VALIDATION_ERROR' ? fault : undefined
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
    ...NOTHING_KNOWN,
    state: 'stopped',
    problems: [
      {
        code: 'NOT_RUNNING',
        message: `No daemon is running for ${paths.home}.`,
        remedy: `Start it with \`${daemonCommand('start', paths)}\`.`,
      },
    ],
  }
}

async function stuckReport(paths: Paths, how: Stuck): Promise<StatusReport> {
  if (how === 'stalled') {
    return silent(paths, 'its event loop has not turned for 2 s', 'The watchdog ends it after 30 s. ')
  }
  const pid = (await readHolder(paths))?.pid ?? '<pid>'
  return silent(
    paths,
    'its process is suspended (SIGSTOP)',
    `Resume it with \`kill -CONT ${pid}\`, or end it: `,
  )
}

async function silent(paths: Paths, why: string, prefix: string): Promise<StatusReport> {
  const holder = await readHolder(paths).catch(() => undefined)
  const pid = holder === undefined ? '' : ` (pid ${holder.pid})`
  const restart = daemonCommand('restart', paths)
  return {
    ...NOTHING_KNOWN,
    state: 'not_answering',
    problems: [
      {
        code: 'NOT_ANSWERING',
        message: `A daemon${pid} holds ${paths.socket} but does not answer: ${why}.`,
        remedy: `${prefix}\`${restart}\` ends it and starts another (version ${VERSION}); \`${daemonCommand('logs', paths)}\` shows what it did last.`,
      },
    ],
  }
}

/** A daemon that is merely busy answers within this time, ms. */
const HEAD_START_MS = 150

type Stuck = 'suspended' | 'stalled'

/** Resolves if the holder's process is stopped by a signal, or its loop is marked as stalled; else never. */
async function whenStuck(paths: Paths): Promise<Stuck> {
  const stuck = await stuckNow(paths, HEAD_START_MS)
  return stuck ?? new Promise(() => undefined)
}

async function stuckNow(paths: Paths, headStartMs = 0): Promise<Stuck | undefined> {
  // What keeps us from looking keeps us from asking too, or does not matter.
  const holder = await readHolder(paths).catch(() => undefined)
  if (holder === undefined) return undefined
  if (await isSuspended(holder)) return 'suspended'
  if (headStartMs > 0) await delay(headStartMs)
  return (await isStalled(paths, holder)) ? 'stalled' : undefined
}
