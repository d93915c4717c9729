import type { Dispatch } from '../dispatch/dispatch.ts'
import { DaemonError } from '../errors.ts'
import type { CleanedWorktree, JobCalls, OmittedTool } from '../tools/job-calls.ts'
import { whileWaiting } from '../tools/while-waiting.ts'
import type { StatusReport } from '../wire/status-report.ts'
import type { CallSite } from './session-host.ts'

/** Claude Code moves a call to the background after two minutes; others give up after one. */
const DEFAULT_SECONDS = { claudeCode: 110, other: 50 }

/** For a daemon that has just started to find its database, and a job that is there, though the time is over. */
const LEAST_MS = 5_000

export interface JobCallServices {
  readonly dispatch: Dispatch
  /** `asker`: the key of the session that reads the result. */
  cleanUp(asker: string): Promise<Record<'removed' | 'kept' | 'skipped', CleanedWorktree[]>>
  status(): Promise<StatusReport>
  omittedTools(): readonly OmittedTool[]
}

/** The job tools' view of the dispatch, for one call of one session. */
export function jobCalls(services: JobCallServices, site: CallSite): JobCalls {
  const { dispatch } = services
  return {
    async wait({ productId, waitSeconds }) {
      const client = site.session.hello?.clientName ?? ''
      const seconds =
        waitSeconds ?? (/claude.?code/i.test(client) ? DEFAULT_SECONDS.claudeCode : DEFAULT_SECONDS.other)
      const waitMs = Math.max(Math.min(LEAST_MS, seconds * 1000), seconds * 1000 - site.waitedMs)
      const wait = { productId, waitMs, signal: site.signal }
      const outcome = await whileWaiting(site, 'Waiting for a job', () =>
        dispatch.waits.wait(site.session, wait),
      )
      if (outcome.kind === 'timeout') return timeoutAnswer(outcome.reason, dispatch.loop.paused)
      watchDelivery(dispatch, site, outcome.jobId)
      return { ...outcome.answer, status: 'claimed', resumed: outcome.resumed }
    },
    // Saving a large worktree takes minutes, and so may a database that is away.
    report: (input) =>
      whileWaiting(site, 'Reporting and saving work', () => dispatch.reports.report(site.session, input)),
    async heartbeat(jobId) {
      const leaseUntil = await dispatch.reports.heartbeat(site.session, jobId)
      return { jobId, leaseUntil: leaseUntil === undefined ? dispatch.beats.leaseUntil(jobId) : leaseUntil }
    },
    cleanUp: () =>
      whileWaiting(site, 'Saving and removing worktrees', () => services.cleanUp(site.session.ref.key)),
    async status() {
      return { ...(await services.status()), missing_tools: services.omittedTools() }
    },
  }
}

/** A cancelled call's answer is dropped by the SDK and never written: that counts as not received, too. */
function watchDelivery(dispatch: Dispatch, site: CallSite, jobId: string): void {
  const answer = dispatch.answered(jobId)
  // Memory has it; that the disk has not is the claim book's fault to report.
  const failed = () => undefined
  if (site.signal.aborted) {
    dispatch.undelivered(site.session, jobId, 'not received', answer).catch(failed)
    return
  }
  const settled = site.answerDelivered().then((outcome) => {
    if (outcome === 'received') return dispatch.delivered(site.session, jobId)
    // A planned end: the claim stays its session's, which is back in a moment.
    if (outcome === 'left open') return
    return dispatch.undelivered(site.session, jobId, outcome, answer)
  })
  settled.catch(failed)
}

function timeoutAnswer(
  reason: 'elapsed' | 'replaced' | 'preparing',
  paused: boolean,
): Record<string, unknown> {
  if (reason === 'preparing') {
    return { status: 'timeout', message: 'A job is being prepared for you. Call wait_for_job again now.' }
  }
  if (reason === 'replaced') {
    return {
      status: 'timeout',
      message: 'A newer wait_for_job of this session took over.',
      next_action: 'queue_empty',
    }
  }
  const message = paused
    ? 'Claiming is paused on this machine (`scrum4me-daemon resume` ends that). Call wait_for_job again to keep listening, or stop.'
    : 'No job came. Call wait_for_job again to keep listening, or stop.'
  return { status: 'timeout', message, next_action: 'queue_empty' }
}

/** What a mutation answers that a crash of the daemon cut off. */
export function outcomeUnknown(tool: string): DaemonError {
  return new DaemonError(
    'OUTCOME_UNKNOWN',
    `The daemon was cut off while ${tool} ran, so whether it took effect is unknown; it was not run again`,
    'Look whether it did before you call it again: get_claude_context shows the next story of the active sprint with its tasks, and your todos, check_queue_empty the jobs, list_open_questions the questions; other stories and tasks, PBIs, logs and pull requests are to be seen in Scrum4Me.',
  )
}
