import { hostname } from 'node:os'
import type { Backend } from '../backend/backend.ts'
import type { Config } from '../config/config.ts'
import type { Listener } from '../db/listener.ts'
import type { Dispatch } from '../dispatch/dispatch.ts'
import type { ClaimBook } from '../jobs/claim-book.ts'
import type { SupersededReports } from '../jobs/superseded-reports.ts'
import type { Presence } from '../presence/presence.ts'
import type { SessionRegistry } from '../sessions/registry.ts'
import { VERSION } from '../version.ts'
import { withHome } from '../wire/daemon-command.ts'
import type { StatusReport } from '../wire/status-report.ts'
import type { FetchFailure } from '../worktrees/git/fetch-failures.ts'
import { jobStatuses } from './job-statuses.ts'
import type { NotStarted } from './not-started.ts'
import { problems } from './problems.ts'
import type { QueueCount } from './queue-count.ts'
import { isSettling, isStarting } from './readiness.ts'
import { statusReport } from './report.ts'
import { sessionStatuses } from './session-statuses.ts'
import type { WorktreeGlance } from './worktree-glance.ts'
import type { WorktreePlace } from './worktree-place.ts'

export interface StatusSources {
  readonly config: Config
  readonly instanceId: string
  readonly startedAt: Date
  readonly supervisor: 'systemd' | 'launchd' | 'none'
  readonly backend: Backend
  readonly presence: Presence
  readonly listener: Listener
  readonly sessions: SessionRegistry
  readonly book: ClaimBook
  readonly superseded: SupersededReports
  readonly dispatch: Dispatch
  readonly glance: WorktreeGlance
  readonly place: WorktreePlace
  readonly queue: QueueCount
  readonly notStarted: NotStarted
  readonly databaseWhere: string
  /** How long presence has been wanted, ms; 0 while it is not (`SCRUM4ME_PRESENCE=sessions` lets it rest). */
  wantedMs(): number
  draining(): boolean
  endpointFault(): string | null
  fileFaults(): readonly string[]
  unfetched(): readonly FetchFailure[]
}

/** Reads every service's state; no database, git or disk is waited for longer than `status` may take. */
export async function collectStatus(from: StatusSources): Promise<StatusReport> {
  const { backend, presence, listener, config, glance } = from
  const caller = backend.current()
  const isWanted = from.wantedMs() > 0
  const userId = isWanted ? (caller?.userId ?? null) : null
  const [queue, notStarted, place, worktrees] = await Promise.all([
    from.queue.read(userId),
    from.notStarted.read(userId),
    from.place.read(),
    glance.read(),
  ])
  const spooled = from.dispatch.delivery.waiting
  const beatAt = presence.lastBeatAt
  const ageMs = beatAt === null ? null : Date.now() - beatAt
  const isExpected = isWanted && backend.state === 'up'
  // The glance is up to a minute old; the floor is a matter of now.
  const freeBytes = place.freeBytes ?? worktrees?.free_disk_bytes ?? null
  return statusReport({
    starting: isStarting(from),
    draining: from.draining(),
    problems: problems({
      backend: { state: backend.state, problem: backend.problem },
      listen: {
        state: listener.state,
        reason: listener.reason ?? null,
        wanted: isExpected && !(isSettling(from) && listener.state === 'reconnecting'),
      },
      claims: from.dispatch.loop.fault.lasting,
      heartbeat: {
        expected: isExpected && !(isSettling(from) && ageMs === null),
        // While nobody wanted it, none was due.
        ageMs: ageMs === null ? null : Math.min(ageMs, from.wantedMs()),
      },
      disk: {
        freeBytes,
        floorBytes: config.minFreeDiskBytes,
        directory: config.worktreeDir,
      },
      spooled,
      superseded: from.superseded.recent,
      notStarted,
      unfetched: from.unfetched(),
      unsaved: (worktrees?.entries ?? [])
        .filter((entry) => entry.state === 'kept')
        .map((entry) => ({ jobId: entry.job_id, reason: entry.reason ?? 'unknown' })),
      files: from.fileFaults(),
      endpoint: from.endpointFault(),
      worktrees: place.fault,
    }).map((problem) => ({ ...problem, remedy: withHome(problem.remedy, config.paths) })),
    daemon: {
      version: VERSION,
      pid: process.pid,
      started_at: from.startedAt.toISOString(),
      uptime_seconds: Math.round(process.uptime()),
      supervisor: from.supervisor,
      home: config.paths.home,
      socket: config.paths.socket,
      node: process.version,
      paused: from.dispatch.loop.paused,
    },
    presence: {
      state: presenceState(from),
      instance_id: from.instanceId,
      hostname: hostname(),
      last_beat_at: beatAt === null ? null : new Date(beatAt).toISOString(),
      last_beat_age_seconds: ageMs === null ? null : Math.round(ageMs / 100) / 10,
      longest_gap_seconds: Math.round(presence.longestGapMs / 100) / 10,
      heartbeat_seconds: config.heartbeatSeconds,
    },
    database: {
      kind: config.databaseUrl === undefined ? 'embedded' : 'external',
      where: from.databaseWhere,
      state:
        backend.state === 'connecting'
          ? backend.everUp || backend.problem !== null
            ? 'down'
            : 'starting'
          : 'up',
      latency_ms: from.queue.latencyMs,
      listen: listener.state,
      error: backend.problem?.message ?? null,
    },
    sessions: sessionStatuses(from),
    jobs: jobStatuses(from, spooled),
    worktrees: worktrees === null ? null : { ...worktrees, free_disk_bytes: freeBytes },
    queue,
  })
}

function presenceState({
  backend,
  presence,
  wantedMs,
}: StatusSources): 'present' | 'absent' | 'unauthorized' | 'idle' {
  if (backend.state === 'unauthorized') return 'unauthorized'
  if (presence.isPresent) return 'present'
  return wantedMs() > 0 ? 'absent' : 'idle'
}
