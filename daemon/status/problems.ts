import type { FailedJob } from '../dispatch/job-backoff.ts'
import { type DaemonError, sentence } from '../errors.ts'
import type { SupersededReport } from '../jobs/superseded-reports.ts'
import type { Problem } from '../wire/status-report.ts'
import type { FetchFailure } from '../worktrees/git/fetch-failures.ts'
import { durationText } from './duration-text.ts'

export interface ProblemInputs {
  /** Why the database is not to be used, if so. */
  readonly backend: { readonly state: string; readonly problem: DaemonError | null }
  readonly listen: { readonly state: string; readonly reason: string | null; readonly wanted: boolean }
  /** Why no job can be claimed, though the database answers. */
  readonly claims: DaemonError | null
  /** Age null: none was written since the start. */
  readonly heartbeat: { readonly expected: boolean; readonly ageMs: number | null }
  readonly disk: {
    readonly freeBytes: number | null
    readonly floorBytes: number
    readonly directory: string
  }
  /** Jobs whose final report waits on disk. */
  readonly spooled: readonly string[]
  /** Reports that waited on disk and came too late. */
  readonly superseded: readonly SupersededReport[]
  /** Jobs that could not be started here and wait for another try. */
  readonly notStarted: readonly FailedJob[]
  /** Clones whose origin could not be fetched the last time. */
  readonly unfetched: readonly FetchFailure[]
  /** Jobs whose work could not be saved, with the reason. */
  readonly unsaved: readonly { readonly jobId: string; readonly reason: string }[]
  /** Faults in files that a person wrote or that cannot be read. */
  readonly files: readonly string[]
  readonly endpoint: string | null
  /** Why the worktree directory cannot be used. */
  readonly worktrees: DaemonError | null
}

/** A reader takes a worker for gone after this long (contract 3), ms. */
const READER_THRESHOLD_MS = 15_000

/** Every complaint with its remedy; none but `NOTICES` is what "healthy" means (contract 1). */
export function problems(inputs: ProblemInputs): Problem[] {
  const found: Problem[] = []
  const { backend, listen, heartbeat, disk } = inputs
  if (backend.problem !== null) {
    const code = backend.state === 'incomplete' ? 'SCHEMA_INCOMPLETE' : backend.problem.code
    found.push({ code, message: backend.problem.message, remedy: backend.problem.remedy })
  } else if (listen.wanted && listen.state !== 'listening') {
    found.push({
      code: 'LISTEN_DOWN',
      message: `New jobs are found by polling every few seconds, because LISTEN does not work${listen.reason === null ? '' : `: ${listen.reason}`}.`,
      remedy:
        'Behind a transaction pooler set DIRECT_DATABASE_URL to the server itself; else it comes back by itself.',
    })
  }
  if (heartbeat.expected && (heartbeat.ageMs === null || heartbeat.ageMs > READER_THRESHOLD_MS)) {
    const which =
      heartbeat.ageMs === null
        ? 'No heartbeat could be written since the start'
        : `The last heartbeat is ${Math.round(heartbeat.ageMs / 1000)} s old`
    found.push({
      code: 'HEARTBEAT_LATE',
      message: `${which}, so Scrum4Me shows this machine as offline.`,
      remedy:
        'Look at the database’s latency below, at the load of this machine, and in pg_stat_activity for whoever keeps claude_workers or claude_jobs locked.',
    })
  }
  if (inputs.claims !== null && backend.problem === null) {
    const { message, remedy } = inputs.claims
    found.push({ code: 'CLAIMS_FAILING', message: sentence(message), remedy })
  }
  if (disk.freeBytes !== null && disk.freeBytes < disk.floorBytes) {
    found.push({
      code: 'DISK_LOW',
      message: `${disk.directory} has ${disk.freeBytes} bytes free, less than the floor of ${disk.floorBytes}; no job is claimed.`,
      remedy:
        'Free some space (`scrum4me-daemon worktrees` lists what is there) or lower SCRUM4ME_MIN_FREE_DISK_BYTES.',
    })
  }
  if (inputs.worktrees !== null) {
    const { code, message, remedy } = inputs.worktrees
    found.push({ code, message, remedy })
  }
  for (const jobId of inputs.spooled) {
    found.push({
      code: 'REPORT_SPOOLED',
      message: `The final report on job ${jobId} waits on disk until the database takes it.`,
      remedy: 'It is delivered by itself as soon as the database answers and the token is valid.',
    })
  }
  for (const report of inputs.superseded) found.push(superseded(report))
  for (const job of inputs.notStarted) found.push(notStarted(job))
  for (const clone of inputs.unfetched) found.push(unfetched(clone))
  for (const { jobId, reason } of inputs.unsaved) {
    found.push({
      code: 'WORK_UNSAVED',
      message: `The work of job ${jobId} could not be saved, so its worktree stays: ${reason}`,
      remedy:
        'Mend that, or take the work out by hand (`scrum4me-daemon worktrees` shows where it is); it is tried again every hour, and at once after `scrum4me-daemon restart`.',
    })
  }
  for (const fault of inputs.files) {
    found.push({
      code: 'FILE_FAULT',
      message: fault,
      remedy: 'Correct it, or make room and access for it; everything else is used.',
    })
  }
  if (inputs.endpoint !== null) {
    found.push({
      code: 'ENDPOINT_REPLACED',
      message: `Another process took over this daemon’s socket: ${inputs.endpoint}`,
      remedy: 'Stop the other daemon, then run `scrum4me-daemon restart`.',
    })
  }
  return found
}

function notStarted({ jobId, taskLabel, error, tries, restMs }: FailedJob): Problem {
  const times = tries === 1 ? '' : ` (${tries} tries)`
  const rest = restMs === 0 ? '' : `, in ${durationText(Math.ceil(restMs / 1000))} at the earliest`
  return {
    code: 'JOB_NOT_STARTED',
    message: `Job ${jobId} (${taskLabel}) could not be started on this machine${times}: ${sentence(error.message)}`,
    remedy: `${sentence(error.remedy)} It is tried again when a session waits${rest}, or at once after \`scrum4me-daemon restart\`.`,
  }
}

function unfetched({ repoRoot, reason, ageMs }: FetchFailure): Problem {
  return {
    code: 'FETCH_FAILED',
    message: `origin of ${repoRoot} could not be fetched ${durationText(ageMs / 1000)} ago, so jobs there begin from what was fetched last: ${sentence(reason)}`,
    remedy:
      'Look at the network, the address of origin and the keys: a service has no ssh-agent but that of the session it works for. `scrum4me-daemon doctor` tries again, as does the next job.',
  }
}

const LOST = {
  taken: 'another worker has the job',
  ended: 'the job had been ended by somebody else',
  cancelled: 'the job had been cancelled',
  gone: 'the job had been deleted',
} as const

function superseded(report: SupersededReport): Problem {
  const { jobId, summary, branch, headSha } = report
  const said = summary === null ? '' : ` It said: "${summary}".`
  const commit = headSha === null ? '' : ` at ${headSha.slice(0, 12)}`
  const work =
    report.pushed && branch !== null
      ? `Its work is on origin, branch ${branch}${commit}`
      : `Its work was${commit} in its worktree, and is saved in ${report.repoRoot} before that goes`
  return {
    code: 'REPORT_SUPERSEDED',
    message: `The final report "${report.status.toLowerCase()}" on job ${jobId} (${report.taskLabel}) waited on disk for the database and then came too late: ${LOST[report.lost]}.${said} ${work}.`,
    remedy: `If that work is wanted, take it over: ${report.pushed ? `merge or check out ${branch}` : `\`scrum4me-daemon worktrees restore ${jobId}\` brings it back`}. This is said for a day.`,
  }
}
