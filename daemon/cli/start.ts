import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { DaemonError } from '../errors.ts'
import { delay } from '../lifecycle/delay.ts'
import { LOG_FILE } from '../log-file.ts'
import { daemonCommand } from '../wire/daemon-command.ts'
import type { StatusReport } from '../wire/status-report.ts'
import { nameForeignDatabase } from './ask-daemon.ts'
import { spawnDetached } from './detached.ts'
import { EXIT } from './exit.ts'
import { fetchStatus } from './fetch-status.ts'
import { readHolder } from './holder.ts'
import type { Invocation } from './invocation.ts'
import { findService } from './service/find-service.ts'
import { statusText } from './status-text.ts'
import { styleOf } from './style.ts'

/** A first start makes a database; a slow disk takes its time for that. */
const START_DEADLINE_MS = 60_000
const POLL_MS = 50

/** Starts the daemon unless it runs, and returns when it answers and has left its start behind. */
export async function start(invocation: Invocation): Promise<number> {
  const { terminal, paths } = invocation
  const before = await fetchStatus(paths)
  if (before.state === 'not_answering') {
    terminal.err(statusText(before, styleOf(false), Date.now()))
    return EXIT.failed
  }
  if (before.daemon !== null) {
    terminal.out(`Already running, pid ${before.daemon.pid}.`)
    await nameForeignDatabase(invocation)
    // One that only waits for its configuration runs, but does nothing.
    return before.database === null ? announce(invocation, before) : EXIT.ok
  }
  return startStopped(invocation)
}

/** As `start`, when it is known that none runs; `word` says what was done. */
export async function startStopped(invocation: Invocation, word?: string): Promise<number> {
  const { terminal, paths } = invocation
  const service = await findService(invocation)
  if (service !== undefined) {
    await service.start()
    const report = await untilStarted(invocation)
    await nameForeignDatabase(invocation)
    return announce(invocation, report, word)
  }
  const child = await spawnDetached(invocation)
  try {
    const ended = new AbortController()
    const code = child.exited.then((exitCode) => {
      ended.abort()
      return exitCode
    })
    const report = await untilStarted(invocation, ended.signal)
    if (report !== undefined) return announce(invocation, report, word)
    // Of two starts at once one finds the home held; then the other's daemon is the one wanted.
    if ((await code) === EXIT.held && (await readHolder(paths)) !== undefined) {
      return announce(invocation, await untilStarted(invocation))
    }
    const complaints = await child.complaints()
    if (complaints !== '') terminal.err(complaints)
    const more = await whereMoreIsSaid(invocation, complaints)
    terminal.err(`The daemon ended at once, exit code ${await code}${more}.`)
    return EXIT.failed
  } finally {
    child.release()
  }
}

/** One that ended before it could open its log has none; on a full disk it could not even complain. */
async function whereMoreIsSaid({ paths }: Invocation, complaints: string): Promise<string> {
  const log = await stat(join(paths.logDir, LOG_FILE)).catch(() => undefined)
  if (log !== undefined && log.size > 0) return `; see \`${daemonCommand('logs', paths)}\``
  return complaints === '' ? `; \`${daemonCommand('run', paths)}\` shows why` : ''
}

/** The first report that is not of a start; undefined when `ended` aborts before. */
export async function untilStarted(
  { paths }: Invocation,
  ended?: AbortSignal,
): Promise<StatusReport | undefined> {
  const deadline = Date.now() + START_DEADLINE_MS
  while (!ended?.aborted) {
    const report = await fetchStatus(paths)
    if (report.daemon !== null && report.state !== 'starting') return report
    if (Date.now() > deadline) {
      throw new DaemonError(
        'DAEMON_UNREACHABLE',
        `The daemon did not finish its start within ${START_DEADLINE_MS / 1000} s`,
        `\`${daemonCommand('status', paths)}\` and \`${daemonCommand('logs', paths)}\` say why.`,
      )
    }
    await delay(POLL_MS, ended)
  }
  return undefined
}

/** Says how it came up. */
export function announce(
  { terminal }: Invocation,
  report: StatusReport | undefined,
  word = 'Started',
): number {
  if (report?.daemon == null) return EXIT.failed
  if (report.state === 'healthy') terminal.out(`${word}, pid ${report.daemon.pid}.`)
  else terminal.out(statusText(report, styleOf(terminal.colour), Date.now()))
  return EXIT.ok
}
