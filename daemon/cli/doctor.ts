import { inspectConfig, loadConfig } from '../config/load-config.ts'
import { RepoRoots } from '../config/repo-roots.ts'
import { type Check, fail, ok, skip, warn } from '../control/doctor/check.ts'
import { machineChecks } from '../control/doctor/machine-checks.ts'
import { DaemonError } from '../errors.ts'
import type { Paths } from '../paths.ts'
import { Redactor } from '../redact.ts'
import { VERSION } from '../version.ts'
import { daemonCommand, withHome } from '../wire/daemon-command.ts'
import { NOTICES } from '../wire/status-report.ts'
import { Git } from '../worktrees/git/git.ts'
import { askRaw } from './ask-daemon.ts'
import { EXIT } from './exit.ts'
import { fetchReport } from './fetch-status.ts'
import type { Invocation } from './invocation.ts'
import { nextEnvironment } from './next-config.ts'
import { Reply } from './reply.ts'
import { findService } from './service/find-service.ts'
import { serviceChecks } from './service/service-checks.ts'
import { printable, type Style, styleOf } from './style.ts'

/** Fetching from every clone takes its time. */
const DEADLINE_MS = 5 * 60_000

/** Checks everything, from inside the daemon where there is one, and says what to do. */
export async function doctor(invocation: Invocation, options: { readonly json?: boolean }): Promise<number> {
  const { terminal, paths } = invocation
  const checks = [...(await daemonChecks(invocation)), ...(await serviceChecks(invocation))].map((check) =>
    forHome(check, paths),
  )
  const failed = checks.filter((check) => check.state === 'fail').length
  if (options.json) terminal.out(JSON.stringify({ ok: failed === 0, checks }, null, 2))
  else {
    terminal.out(doctorText(checks, styleOf(terminal.colour)))
    terminal.out(`\n${conclusion(checks, failed)}`)
  }
  return failed === 0 ? EXIT.ok : EXIT.failed
}

/** As it is typed for this installation. */
function forHome(check: Check, paths: Paths): Check {
  const { message, remedy } = check
  return {
    ...check,
    message: withHome(message, paths),
    remedy: remedy === null ? null : withHome(remedy, paths),
  }
}

function conclusion(checks: readonly Check[], failed: number): string {
  if (failed > 0) return `${failed} of ${checks.length} checks failed.`
  const warned = checks.filter((check) => check.state === 'warn').length
  return warned === 0
    ? 'All well.'
    : `Nothing failed; look at ${warned === 1 ? 'the line' : `the ${warned} lines`} with !`
}

export function doctorText(checks: readonly Check[], style: Style): string {
  const marks = { ok: style.green('✓'), warn: style.yellow('!'), fail: style.red('✗'), skip: style.dim('-') }
  const width = Math.max(...checks.map((check) => check.name.length))
  return checks
    .flatMap((check) => {
      const line = `${marks[check.state]} ${check.name.padEnd(width)}  ${printable(check.message)}`
      return check.remedy === null ? [line] : [line, `  ${' '.repeat(width)}  → ${printable(check.remedy)}`]
    })
    .join('\n')
}

async function daemonChecks(invocation: Invocation): Promise<readonly Check[]> {
  const report = await fetchReport(invocation.paths)
  if (report.daemon === null) {
    const [problem] = report.problems
    const message =
      problem?.code === 'NOT_RUNNING'
        ? 'not running; the rest is what this shell finds'
        : (problem?.message ?? 'not answering')
    return [fail('daemon', message, problem?.remedy ?? ''), ...(await offline(invocation))]
  }
  const { version, pid } = report.daemon
  const daemon =
    version === VERSION
      ? ok('daemon', `version ${version}, pid ${pid}, ${report.state}`)
      : fail(
          'daemon',
          `runs version ${version}, installed is ${VERSION}`,
          `\`${daemonCommand('restart', invocation.paths)}\` loses no call.`,
        )
  // It only waits for its configuration, and says so.
  if (report.database === null) return [daemon, ...problemChecks(report.problems)]
  const answer = new Reply(await askRaw(invocation, 'doctor', {}, { timeoutMs: DEADLINE_MS }))
  return [
    daemon,
    ...problemChecks(report.problems),
    ...(await nextStartChecks(invocation)),
    ...answer.list('checks').map(parseCheck),
  ]
}

/** What the one that runs does not feel yet: settings for which the next one would refuse to start. */
async function nextStartChecks(invocation: Invocation): Promise<Check[]> {
  const env = nextEnvironment(invocation, await findService(invocation))
  const { home } = invocation.paths
  const { faults } = await inspectConfig({ env, home, redactor: new Redactor() })
  return faults.map(({ name, expected, remedy }) =>
    fail('next start', `would be refused: ${name}: expected ${expected}`, remedy),
  )
}

/** What the daemon complains of by itself. */
function problemChecks(
  problems: readonly { readonly code: string; readonly message: string; readonly remedy: string }[],
): Check[] {
  return problems.map(({ code, message, remedy }) => (NOTICES.has(code) ? warn : fail)(code, message, remedy))
}

function parseCheck(reply: Reply): Check {
  const state = (['ok', 'warn', 'fail', 'skip'] as const).find((known) => known === reply.text('state'))
  return {
    name: reply.text('name'),
    state: state ?? 'fail',
    message: reply.text('message'),
    remedy: reply.text('remedy') || null,
  }
}

/** Without a daemon: configuration and machine as this process sees them, and an external database. */
async function offline({ env, home }: Invocation): Promise<readonly Check[]> {
  try {
    const { config } = await loadConfig({ env, home, redactor: new Redactor() })
    const roots = new RepoRoots(config.repoRoots, config.agentConfigFile)
    const machine = await machineChecks(config, roots, new Git({ env }))
    if (config.databaseUrl === undefined) {
      return [...machine, skip('database', 'embedded; it runs with the daemon')]
    }
    const { externalDatabaseChecks } = await import('./external-database.ts')
    return [...machine, ...(await externalDatabaseChecks(config.databaseUrl, config.token))]
  } catch (error) {
    if (!(error instanceof DaemonError)) throw error
    return [fail('configuration', error.message.replaceAll('\n', ' '), error.remedy)]
  }
}
