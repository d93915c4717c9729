import { hostname } from 'node:os'
import { join } from 'node:path'
import { RepoRoots } from '../config/repo-roots.ts'
import type { DaemonOptions } from '../daemon.ts'
import { Demand } from '../dispatch/demand.ts'
import { Dispatch, type SessionNotice } from '../dispatch/dispatch.ts'
import type { DispatchPorts } from '../dispatch/ports.ts'
import { Reconciler } from '../dispatch/reconciler.ts'
import { ClaimBook } from '../jobs/claim-book.ts'
import { parseClaimRecord } from '../jobs/claim-record.ts'
import { parseSupersededReport, SupersededReports } from '../jobs/superseded-reports.ts'
import { Presence } from '../presence/presence.ts'
import { SessionRegistry } from '../sessions/registry.ts'
import { RecordStore } from '../state/record-store.ts'
import { WorktreeGlance } from '../status/worktree-glance.ts'
import { Git } from '../worktrees/git/git.ts'
import { GitProcess } from '../worktrees/git/git-process.ts'
import { Worktrees } from '../worktrees/worktrees.ts'
import type { DatabaseParts } from './database.ts'

export type FeatureParts = ReturnType<typeof composeFeatures>

/** Claims, sessions, worktrees and presence, and the dispatch where they meet. */
export function composeFeatures(
  { config, env, umask, logger, node }: DaemonOptions & { readonly node: string },
  instanceId: string,
  database: DatabaseParts,
  notice: SessionNotice,
) {
  const { stateDir } = config.paths
  const { sql, rowSql, backend, listener, pools } = database
  const log = (service: string) => logger.child({ service })
  let rootWarnings: readonly string[] = []
  const roots = new RepoRoots(config.repoRoots, config.agentConfigFile, (warnings) => {
    rootWarnings = warnings
    for (const warning of warnings) log('config').warn({}, warning)
  })
  const book = new ClaimBook(new RecordStore(join(stateDir, 'claims'), parseClaimRecord, { durable: true }))
  const superseded = new SupersededReports(
    new RecordStore(join(stateDir, 'superseded'), parseSupersededReport, { durable: true }),
  )
  const sessions = new SessionRegistry({ forgetAfterMs: (config.sessionGraceSeconds + 60) * 1000 })
  const gitProcess = new GitProcess({ env, umask, node })
  const git = new Git({ env, apart: gitProcess })
  const worktrees = new Worktrees({
    parentDir: config.worktreeDir,
    ...{ instanceId, stateDir, env, umask, git },
    salvageMaxBytes: config.salvageMaxBytes,
    minFreeDiskBytes: config.minFreeDiskBytes,
    spares: config.spareWorktrees,
    isReleased: (jobId) => book.get(jobId)?.state === 'released',
    logger: log('worktrees'),
  })
  const ports: DispatchPorts = {
    ...{ sql, rowSql, book, superseded, sessions, worktrees, git, roots, instanceId },
    authority: backend,
    settings: {
      leaseSeconds: config.leaseSeconds,
      graceSeconds: config.sessionGraceSeconds,
      minFreeDiskBytes: config.minFreeDiskBytes,
    },
    markers: database.jobMarkers,
    worktreesChanged: () => glance.refresh(),
    logger: log('dispatch'),
  }
  const dispatch = new Dispatch(ports, notice)
  const glance = new WorktreeGlance(worktrees, config.worktreeDir, log('status'))
  const reconciler = new Reconciler(ports, () => glance.refresh())
  const presence = new Presence({
    sql,
    worker() {
      const caller = backend.current()
      if (caller === null || !demand.wanted) return null
      return { userId: caller.userId, tokenId: caller.tokenId, instanceId }
    },
    machine: { hostname: hostname(), pid: process.pid },
    // A lease shorter than three beats is renewed as often as it needs.
    heartbeatMs: Math.min(config.heartbeatSeconds, config.leaseSeconds / 3) * 1000,
    leaseSeconds: config.leaseSeconds,
    begin() {
      const snapshot = dispatch.beats.snapshot()
      return {
        held: Array.from(snapshot.claims.values(), ({ identity: { jobId, claimedAt, tokenId } }) => ({
          jobId,
          claimedAt,
          tokenId,
        })),
        async apply(answer) {
          await dispatch.beats.apply(snapshot, answer)
          dispatch.delivery.deliverSpooled()
        },
      }
    },
    lost: (error) => backend.lost(error),
    proven: () => backend.proven(),
    refused: (reason) => backend.refused(reason),
    logger: log('presence'),
  })
  const demand = new Demand({
    mode: config.presence,
    needed: () => sessions.connected > 0 || book.leased().length > 0,
    async changed(wanted) {
      if (wanted) await listener.start()
      presence.beatNow()
      if (!wanted) await listener.stop()
    },
    rest: () => pools.pause(),
  })
  backend.onChange((state) => {
    if (state !== 'up') return
    // What an outage kept from being claimed says nothing about what comes after it.
    dispatch.loop.fault.over()
    presence.beatNow()
    dispatch.loop.nudge()
    reconciler.inBackground()
  })
  listener.onReconnect(() => dispatch.loop.nudge())
  listener.subscribe((change) => {
    const userId = backend.current()?.userId
    if (userId === undefined || change.user_id !== userId) return
    const jobId = typeof change.job_id === 'string' ? change.job_id : undefined
    if (change.type === 'claude_job_enqueued') dispatch.nudges.queued(jobId)
    if (change.type !== 'claude_job_status' || jobId === undefined) return
    if (change.status === 'CLAIMED') void dispatch.nudges.claimed(jobId)
    // Somebody else decided over a job that is held here: find out now, not at the next beat.
    if (change.status === 'CANCELLED' && book.get(jobId) !== undefined) presence.beatNow()
  })
  return {
    ...{
      roots,
      book,
      superseded,
      sessions,
      worktrees,
      git,
      gitProcess,
      dispatch,
      glance,
      reconciler,
      presence,
      demand,
    },
    rootWarnings: () => rootWarnings,
  }
}
