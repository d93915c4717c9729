import { hostname } from 'node:os'
import { join } from 'node:path'
import { Backend } from './backend/backend.ts'
import { backendSteps } from './backend/steps.ts'
import type { Backlog } from './backlog/backlog.ts'
import { QuestionWatch } from './backlog/question-watch.ts'
import { settledQuestions } from './backlog/settled-questions.ts'
import { RepoRoots } from './config/repo-roots.ts'
import type { ControlContext } from './control/context.ts'
import { controlDatabase } from './control/database.ts'
import { route } from './control/router.ts'
import type { DaemonOptions } from './daemon.ts'
import { describeDatabase, parseDatabaseUrl } from './db/database-url.ts'
import { EmbeddedPostgres } from './db/embedded/embedded-postgres.ts'
import { Listener } from './db/listener.ts'
import { Pools } from './db/pools.ts'
import { LazyPrisma } from './db/prisma.ts'
import type { SchemaFindings } from './db/schema-check.ts'
import { coreSql } from './db/sql.ts'
import { Demand } from './dispatch/demand.ts'
import { Dispatch } from './dispatch/dispatch.ts'
import type { DispatchPorts } from './dispatch/ports.ts'
import { Reconciler } from './dispatch/reconciler.ts'
import { messageOf } from './errors.ts'
import { Endpoint } from './ipc/endpoint.ts'
import type { JobMarker } from './jobs/claim.ts'
import { ClaimBook } from './jobs/claim-book.ts'
import { parseClaimRecord } from './jobs/claim-record.ts'
import { ServiceGroup } from './lifecycle/group.ts'
import { StartWhenPossible } from './lifecycle/start-when-possible.ts'
import { SupervisorLink } from './lifecycle/supervisor-link.ts'
import { CallMemory } from './mcp/call-memory.ts'
import { outcomeUnknown } from './mcp/job-calls.ts'
import { SessionHost } from './mcp/session-host.ts'
import { toolContext } from './mcp/tool-contexts.ts'
import { Presence } from './presence/presence.ts'
import { SessionRegistry } from './sessions/registry.ts'
import { Flag } from './state/flag.ts'
import { readInstanceId } from './state/instance-id.ts'
import { RecordStore } from './state/record-store.ts'
import { collectStatus, type StatusSources } from './status/collect.ts'
import { QueueCount } from './status/queue-count.ts'
import { stateLine } from './status/state-line.ts'
import { WorktreeGlance } from './status/worktree-glance.ts'
import { allTools } from './tools/all-tools.ts'
import { type Catalog, catalog } from './tools/catalog.ts'
import { VERSION } from './version.ts'
import { PROTOCOL } from './wire/protocol.ts'
import { Git } from './worktrees/git/git.ts'
import { Worktrees } from './worktrees/worktrees.ts'

/** Calls in flight get this long when the daemon ends (contract 3), ms. */
const DRAIN_MS = 10_000

/** A claim pass is a few statements, each with a deadline; one this long will never end, ms. */
const STUCK_MS = 60_000
/** For a tool's look into a repository, ms. */
const GIT_MS = 20_000

export interface Services {
  start(): Promise<void>
  stop(goodbye: 'restart' | 'stop'): Promise<void>
}

export interface Owner {
  stop(reason: string): void
  draining(): boolean
}

/** Every service of the daemon, wired; nothing runs yet. */
export async function buildServices(options: DaemonOptions, owner: Owner): Promise<Services> {
  const { config, redactor, env, supervisor } = options
  const { paths } = config
  const log = (service: string) => options.logger.child({ service })
  const startedAt = new Date()
  const instanceId = await readInstanceId(paths.home, paths.stateDir)

  // Database
  const embedded =
    config.databaseUrl === undefined ? new EmbeddedPostgres({ paths, logger: log('postgres') }) : null
  const url = parseDatabaseUrl(embedded?.url ?? config.databaseUrl ?? '')
  const pools = new Pools({ url, logger: log('database') })
  const sql = coreSql(pools)
  const prisma = new LazyPrisma(pools)
  let schema: SchemaFindings | null = null
  const backend = new Backend(
    backendSteps({
      ...{ config, pools, embedded, redactor },
      found(findings) {
        schema = findings
        refreshCatalog()
      },
    }),
    log('backend'),
  )
  const listener = new Listener({
    url:
      config.directDatabaseUrl === undefined
        ? url
        : parseDatabaseUrl(config.directDatabaseUrl, 'DIRECT_DATABASE_URL'),
    notify: (channel, payload) => sql.query({ text: 'select pg_notify($1, $2)', values: [channel, payload] }),
    logger: log('listen'),
  })

  // State and features
  const fileFaults = new Set<string>()
  let rootWarnings: readonly string[] = []
  const roots = new RepoRoots(config.repoRoots, config.agentConfigFile, (warnings) => {
    rootWarnings = warnings
    for (const warning of warnings) log('config').warn({}, warning)
  })
  const book = new ClaimBook(
    new RecordStore(join(paths.stateDir, 'claims'), parseClaimRecord, { durable: true }),
  )
  const sessions = new SessionRegistry()
  const worktrees = new Worktrees({
    parentDir: config.worktreeDir,
    instanceId,
    stateDir: paths.stateDir,
    salvageMaxBytes: config.salvageMaxBytes,
    minFreeDiskBytes: config.minFreeDiskBytes,
    spares: config.spareWorktrees,
    logger: log('worktrees'),
    env,
  })
  const worktreesService = new StartWhenPossible(worktrees)
  const git = new Git({ env })
  const paused = new Flag(join(paths.stateDir, 'paused'))

  // Where they meet
  const ports: DispatchPorts = {
    ...{ sql, book, sessions, worktrees, git, roots, instanceId },
    authority: backend,
    settings: {
      leaseSeconds: config.leaseSeconds,
      graceSeconds: config.sessionGraceSeconds,
      minFreeDiskBytes: config.minFreeDiskBytes,
    },
    markers: () => jobMarkers(schema),
    logger: log('dispatch'),
  }
  const dispatch = new Dispatch(ports, (key, text) => host.notify(key, text))
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
        held: [...snapshot.claims.values()].map(({ identity: { jobId, claimedAt } }) => ({
          jobId,
          claimedAt,
        })),
        async apply(answer) {
          await dispatch.beats.apply(snapshot, answer)
          dispatch.reports.deliverSpooled()
        },
      }
    },
    lost: (error) => backend.lost(error),
    refused: (reason) => backend.refused(reason),
    logger: log('presence'),
  })
  const demand = new Demand({
    mode: config.presence,
    needed: () => sessions.connected > 0 || book.leased().length > 0,
    async changed(wanted) {
      if (wanted) {
        await listener.start()
        presence.beatNow()
        return
      }
      presence.beatNow()
      await listener.stop()
    },
    rest: () => pools.pause(),
  })
  backend.onChange((state) => {
    if (state !== 'up') return
    presence.beatNow()
    dispatch.loop.nudge()
    reconciler.inBackground()
  })
  listener.onReconnect(() => dispatch.loop.nudge())
  listener.subscribe((change) => {
    const userId = backend.current()?.userId
    if (userId === undefined || change.user_id !== userId) return
    if (change.type === 'claude_job_enqueued') dispatch.loop.nudge()
    // Somebody else decided over a job that is held here: find out now, not at the next beat.
    const held = typeof change.job_id === 'string' ? book.get(change.job_id) : undefined
    if (change.type === 'claude_job_status' && change.status === 'CANCELLED' && held !== undefined)
      presence.beatNow()
  })

  // Sessions and tools
  const memory = new CallMemory(join(paths.stateDir, 'calls'), (tool) => ({
    isError: true,
    content: [{ type: 'text', text: outcomeUnknown(tool).text }],
  }))
  const questions = new QuestionWatch({
    changes: listener,
    settled: async (ids) => settledQuestions(await prisma.get(), ids),
  })
  let served: Catalog = catalog(allTools, new Set())
  const missingTables = (): ReadonlySet<string> =>
    // A database that lacks the core is incomplete: calls say so, and no tool disappears meanwhile.
    schema === null || schema.blocking !== null ? new Set() : schema.unusableTables
  function refreshCatalog(): void {
    const now = catalog(allTools, missingTables())
    const changed = now.hash !== served.hash
    served = now
    if (changed) host.catalogChanged()
  }
  const backlog = async (): Promise<Backlog> => {
    const caller = await backend.ready(10_000)
    return { prisma: await prisma.get(), caller }
  }
  let endpointFault: string | null = null
  const sources: StatusSources = {
    ...{ config, instanceId, startedAt, backend, presence, listener, sessions, book, dispatch, glance },
    supervisor: supervisor.kind,
    queue: new QueueCount(sql),
    databaseWhere: embedded === null ? describeDatabase(url) : paths.dataDir,
    wanted: () => demand.wanted,
    draining: owner.draining,
    endpointFault: () => endpointFault,
    worktreesFault: () => worktreesService.fault,
    fileFaults: () => [...fileFaults, ...rootWarnings],
  }
  const status = () => collectStatus(sources)
  const host = new SessionHost({
    ...{ sessions, memory },
    tools: new Map(allTools.map((tool) => [tool.name, tool])),
    catalog: () => served,
    context: (site) =>
      toolContext(
        {
          ...{ dispatch, backlog, missingTables, questions, book, roots, redactor, status },
          async database() {
            return sql.query({ text: 'select 1', values: [] }).then(
              () => 'ok' as const,
              () => 'down' as const,
            )
          },
          omittedTools: () =>
            allTools
              .map((tool) => ({
                name: tool.name,
                missing_tables: tool.tables.filter((table) => missingTables().has(table)),
              }))
              .filter((tool) => tool.missing_tables.length > 0),
          cleanUp: () => reconciler.run(),
          git: (cwd, args, sshAuthSock) => git.text({ dir: cwd, sshAuthSock, deadlineMs: GIT_MS }, ...args),
          logger: log('tools'),
        },
        site,
      ),
    logger: log('sessions'),
  })
  const control: ControlContext = {
    ...{ config, backlog, sql, worktrees },
    settings: options.settings,
    repoRoots: roots,
    logger: log('control'),
    database: controlDatabase({
      ...{ pools, listener },
      kind: embedded === null ? 'external' : 'embedded',
      where: sources.databaseWhere,
    }),
    jobs: {
      held: () => book.leased().map((claim) => claim.identity.jobId),
      release: (jobId) => dispatch.giveBack(jobId),
    },
    daemon: {
      status,
      stop: (reason) => setImmediate(() => owner.stop(reason)),
      async pause(yes) {
        await paused.set(yes)
        dispatch.loop.pause(yes)
      },
    },
  }
  const endpoint = new Endpoint({
    ...{ paths, redactor },
    logger: log('endpoint'),
    welcome: () => ({ protocol: PROTOCOL.max, version: VERSION, pid: process.pid, catalog: served.hash }),
    onSession(connection) {
      host.accept(connection)
      void connection.closed.then(() => demand.look())
      setImmediate(() => demand.look())
    },
    onControl: (request) => route(request, control),
    onReplaced(detail) {
      endpointFault = detail
    },
  })

  const link = new SupervisorLink({
    supervisor,
    // That this is asked at all shows that the event loop turns; the claim loop must not hang in a pass.
    turning: () => dispatch.loop.passMs < STUCK_MS,
    line: async () => stateLine(await status()),
  })
  const group = new ServiceGroup((service, error) => {
    log('daemon').warn({ failed: service.name, err: messageOf(error) }, 'a service did not stop in order')
  })
  return {
    async start() {
      // What was remembered must be there before the first session asks for it.
      for (const name of await book.load(instanceId)) fileFaults.add(`state/claims/${name} cannot be read`)
      await memory.load()
      dispatch.loop.pause(await paused.read())
      await group.start(endpoint)
      await group.start(closing('database', () => closeDatabase()))
      await group.start(backend)
      await group.start(worktreesService)
      await group.start(glance)
      await group.start(reconciler)
      await group.start(demand)
      await group.start(closing('listener', () => listener.stop()))
      await group.start(dispatch)
      await group.start(presence)
      await group.start(link)
    },
    async stop(goodbye) {
      await link.stop()
      void supervisor.notifyStopping()
      // Whoever only waits for an answer is told how it stands.
      questions.stop()
      // Off the board within a second, then the calls in flight, then everything else in reverse.
      await presence.stop()
      await host.drain(DRAIN_MS)
      endpoint.goodbye(goodbye)
      await group.stop()
    },
  }

  async function closeDatabase(): Promise<void> {
    await prisma.close()
    await pools.end()
    await embedded?.stop()
  }
}

/** Columns by which a newer Scrum4Me marks jobs for others (contract 4, Which). */
function jobMarkers(schema: SchemaFindings | null): JobMarker[] {
  const { sprintRunId = false, runtime = false, requiredCapability = false } = schema?.optional ?? {}
  return [
    ...(sprintRunId ? ['sprint_run_id' as const] : []),
    ...(runtime ? ['runtime' as const] : []),
    ...(requiredCapability ? ['required_capability' as const] : []),
  ]
}

/** Something with an end but no beginning of its own. */
function closing(name: string, stop: () => Promise<void>) {
  return { name, start: () => Promise.resolve(), stop }
}
