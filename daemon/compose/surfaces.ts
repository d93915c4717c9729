import { join } from 'node:path'
import type { Backlog } from '../backlog/backlog.ts'
import { QuestionWatch } from '../backlog/question-watch.ts'
import { settledQuestions } from '../backlog/settled-questions.ts'
import type { ControlContext } from '../control/context.ts'
import { controlDatabase } from '../control/database.ts'
import { route } from '../control/router.ts'
import type { DaemonOptions } from '../daemon.ts'
import { Endpoint } from '../ipc/endpoint.ts'
import { CallMemory } from '../mcp/call-memory.ts'
import { outcomeUnknown } from '../mcp/job-calls.ts'
import { SessionHost } from '../mcp/session-host.ts'
import { toolContext } from '../mcp/tool-contexts.ts'
import { Flag } from '../state/flag.ts'
import { collectStatus } from '../status/collect.ts'
import { NotStarted } from '../status/not-started.ts'
import { QueueCount } from '../status/queue-count.ts'
import { WorktreePlace } from '../status/worktree-place.ts'
import { allTools } from '../tools/all-tools.ts'
import { type Catalog, catalog } from '../tools/catalog.ts'
import { VERSION } from '../version.ts'
import { PROTOCOL } from '../wire/protocol.ts'
import type { DatabaseParts } from './database.ts'
import type { FeatureParts } from './features.ts'

/** For a tool's look into a repository, ms. */
const GIT_MS = 20_000
/** How long a call waits for a database that is away, ms. */
const DATABASE_WAIT_MS = 10_000

export interface Owner {
  stop(reason: string): void
  draining(): boolean
}

/** What sessions and commands reach: tools, control methods, the status report, and the socket for all of them. */
export function composeSurfaces(
  options: DaemonOptions,
  owner: Owner,
  instanceId: string,
  database: DatabaseParts,
  features: FeatureParts,
) {
  const { config, redactor, supervisor } = options
  const { paths } = config
  const { sql, rowSql, prisma, backend, listener, pools } = database
  const {
    roots,
    book,
    superseded,
    sessions,
    worktrees,
    git,
    dispatch,
    glance,
    reconciler,
    presence,
    demand,
  } = features
  const log = (service: string) => options.logger.child({ service })
  const fileFaults = new Set<string>()
  let endpointFault: string | null = null

  const backlog = async (): Promise<Backlog> => {
    const caller = await backend.ready(DATABASE_WAIT_MS)
    return { prisma: await prisma.get(), caller }
  }
  let asking: Promise<'ok' | 'down'> | null = null
  /** One question at a time, whoever asks: it stands in line with the heartbeats. */
  const answers = () => {
    asking ??= sql
      .query({ text: 'select 1', values: [] })
      .then(
        () => 'ok' as const,
        () => 'down' as const,
      )
      .finally(() => {
        asking = null
      })
    return asking
  }
  const queue = new QueueCount(sql, async () => {
    const rootsOf = await roots.snapshot()
    const known = [rootsOf(), ...sessions.all().map((session) => rootsOf(session.hello?.repoRoots))]
    return [...new Set(known.flatMap((products) => [...products.keys()]))]
  })
  const notStarted = new NotStarted(sql, dispatch.backoff, instanceId)
  const place = new WorktreePlace(() => features.worktrees.place())
  const startedAt = new Date()
  const status = () =>
    collectStatus({
      ...{
        config,
        instanceId,
        startedAt,
        backend,
        presence,
        listener,
        sessions,
        book,
        superseded,
        dispatch,
        glance,
        place,
        queue,
        notStarted,
      },
      supervisor: supervisor.kind,
      databaseWhere: database.where,
      wantedMs: () => demand.wantedMs,
      draining: owner.draining,
      endpointFault: () => endpointFault,
      unfetched: () => worktrees.fetchFailures.recent,
      fileFaults: () => [
        ...fileFaults,
        ...features.rootWarnings(),
        ...worktrees.faults,
        ...(book.fault === null ? [] : [`${paths.stateDir}/claims cannot be written: ${book.fault}`]),
      ],
    })

  const questions = new QuestionWatch({
    changes: listener,
    settled: async (ids) => settledQuestions(await prisma.get(), ids),
  })
  const memory = new CallMemory(join(paths.stateDir, 'calls'), (tool) => ({
    isError: true,
    content: [{ type: 'text', text: outcomeUnknown(tool).text }],
  }))
  let served: Catalog = catalog(allTools, new Set())
  const omittedTools = () =>
    allTools
      .map(({ name, tables }) => ({
        name,
        missing_tables: tables.filter((table) => database.unusableTables().has(table)),
      }))
      .filter(({ missing_tables }) => missing_tables.length > 0)
  const host = new SessionHost({
    ...{ sessions, memory },
    tools: new Map(allTools.map((tool) => [tool.name, tool])),
    catalog: () => served,
    context: (site) =>
      toolContext(
        {
          ...{ dispatch, backlog, questions, book, roots, redactor, paths, status, omittedTools },
          missingTables: database.unusableTables,
          database: answers,
          cleanUp: (asker) => reconciler.run(asker),
          git: (cwd, args, sshAuthSock) => git.text({ dir: cwd, sshAuthSock, deadlineMs: GIT_MS }, ...args),
          logger: log('tools'),
        },
        site,
      ),
    logger: log('sessions'),
  })
  database.onSchema(() => {
    const now = catalog(allTools, database.unusableTables())
    const changed = now.hash !== served.hash
    served = now
    if (changed) host.catalogChanged()
  })

  const paused = new Flag(join(paths.stateDir, 'paused'))
  const control: ControlContext = {
    ...{ config, backlog, worktrees, git },
    worktreesChanged: () => glance.refresh(),
    sql: rowSql,
    settings: options.settings,
    repoRoots: roots,
    logger: log('control'),
    database: controlDatabase({ pools, listener, kind: database.kind, where: database.where }),
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
  return {
    ...{ status, questions, host, endpoint },
    /** What was remembered must be there before the first session asks for it. */
    async remember() {
      for (const name of await book.load(instanceId)) fileFaults.add(`state/claims/${name} cannot be read`)
      dispatch.takeUp()
      for (const name of await superseded.load()) fileFaults.add(`state/superseded/${name} cannot be read`)
      await memory.load()
      dispatch.loop.pause(await paused.read())
    },
  }
}
