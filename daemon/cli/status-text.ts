import { bytesText } from '../status/bytes-text.ts'
import { durationText } from '../status/duration-text.ts'
import { type DaemonState, NOTICES, type StatusReport } from '../wire/status-report.ts'
import { printable, type Style } from './style.ts'
import { table } from './table.ts'
import { agoText } from './units.ts'

const WORDS: Record<DaemonState, string> = {
  starting: 'starting',
  healthy: 'healthy',
  degraded: 'degraded',
  draining: 'draining: finishing calls before it stops',
  stopped: 'not running',
  not_answering: 'not answering',
}
const MAX_ROWS = 12

/**
 * One screen: whether all is well and, if not, why and what to do. `now` in ms since the epoch.
 * Complaints come first; nobody scrolls for them.
 */
export function statusText(report: StatusReport, style: Style, now: number): string {
  const lines = [headline(report, style)]
  for (const problem of report.problems) {
    const mark = NOTICES.has(problem.code) ? style.yellow('!') : style.red('✗')
    lines.push(`  ${mark} ${style.bold(problem.code)} ${printable(problem.message)}`)
    lines.push(`    ${style.dim('→')} ${printable(problem.remedy)}`)
  }
  const facts = [
    ...daemonFacts(report),
    ...presenceFacts(report),
    ...databaseFacts(report),
    ...workFacts(report),
  ]
  if (facts.length > 0) lines.push('', ...table(facts).map((line) => `  ${line}`))
  lines.push(...sessions(report, style, now), ...jobs(report, style, now), ...worktrees(report, style))
  return lines.join('\n')
}

function headline(report: StatusReport, style: Style): string {
  const word = WORDS[report.state] ?? printable(report.state)
  const paint =
    report.state === 'healthy'
      ? style.green
      : report.state === 'starting' || report.state === 'draining'
        ? style.yellow
        : style.red
  const paused = report.daemon?.paused ? style.yellow(' (paused: claims no jobs)') : ''
  return `${paint('●')} ${style.bold('scrum4me-daemon')} ${paint(word)}${paused}`
}

function daemonFacts({ daemon }: StatusReport): string[][] {
  if (daemon === null) return []
  const supervisor = daemon.supervisor === 'none' ? 'no supervisor' : `under ${daemon.supervisor}`
  return [
    [
      'daemon',
      `${daemon.version}, pid ${daemon.pid}, up ${durationText(daemon.uptime_seconds)}, ${supervisor}, Node ${daemon.node}`,
    ],
    ['home', daemon.home],
  ]
}

function presenceFacts({ presence }: StatusReport): string[][] {
  if (presence === null) return []
  const beat =
    presence.last_beat_age_seconds === null
      ? 'no beat yet'
      : `last beat ${presence.last_beat_age_seconds.toFixed(1)} s ago`
  const gap =
    presence.longest_gap_seconds === null ? '' : `, longest gap ${presence.longest_gap_seconds.toFixed(1)} s`
  return [['presence', `${presence.state} as ${presence.hostname}, ${beat}${gap}`]]
}

function databaseFacts({ database }: StatusReport): string[][] {
  if (database === null) return []
  const latency = database.latency_ms === null ? '' : `, ${database.latency_ms.toFixed(1)} ms`
  const error = database.error === null ? '' : `: ${database.error}`
  return [
    [
      'database',
      `${database.state}${latency}, ${database.kind} ${database.where}, LISTEN ${database.listen}${error}`,
    ],
  ]
}

function workFacts({ queue, worktrees }: StatusReport): string[][] {
  const facts: string[][] = []
  if (queue !== null) {
    // A daemon of an earlier release does not say.
    const elsewhere = queue.without_clone > 0 ? ` (${queue.without_clone} without a clone here)` : ''
    facts.push([
      'queue',
      `${queue.queued} queued${elsewhere}, ${queue.claimed} claimed, ${queue.running} running`,
    ])
  }
  if (worktrees !== null) {
    facts.push([
      'worktrees',
      `${worktrees.count} in ${worktrees.directory}, ${bytesText(worktrees.bytes)}, ${worktrees.saved} saved, ${bytesText(worktrees.free_disk_bytes)} free`,
    ])
  }
  return facts
}

function sessions(report: StatusReport, style: Style, now: number): string[] {
  const rows = report.sessions.map((session) => [
    session.session_id.slice(0, 8),
    session.client ?? 'unknown client',
    // Of a session that has not come back to this daemon yet, only its id is known.
    session.pid === 0 ? '-' : `pid ${session.pid}`,
    session.job_id === null ? session.activity : `${session.activity} ${session.job_id}`,
    agoText(session.since, now),
    session.cwd,
  ])
  return section('Sessions', rows, style)
}

function jobs(report: StatusReport, style: Style, now: number): string[] {
  const rows = report.jobs.map((job) => [
    job.job_id,
    job.report_spooled ? `${job.state}, report waits on disk` : job.state,
    job.task ?? job.product_id,
    job.branch ?? '-',
    agoText(job.claimed_at, now),
  ])
  return section('Jobs held here', rows, style)
}

function worktrees(report: StatusReport, style: Style): string[] {
  const rows = (report.worktrees?.entries ?? [])
    .filter((entry) => entry.state !== 'active')
    .map((entry) => [
      entry.job_id,
      entry.reason === null ? entry.state : `${entry.state}: ${entry.reason}`,
      bytesText(entry.bytes),
      entry.path,
    ])
  return section('Worktrees that stay for now', rows, style)
}

function section(title: string, rows: readonly (readonly string[])[], style: Style): string[] {
  if (rows.length === 0) return []
  const shown = table(rows.slice(0, MAX_ROWS)).map((line) => `  ${line}`)
  const more =
    rows.length > MAX_ROWS ? [style.dim(`  … and ${rows.length - MAX_ROWS} more (--json has all)`)] : []
  return ['', style.bold(title), ...shown, ...more]
}
