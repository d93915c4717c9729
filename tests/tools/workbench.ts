import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import type { CallToolResult } from '@modelcontextprotocol/sdk/types.js'
import { AjvJsonSchemaValidator } from '@modelcontextprotocol/sdk/validation/ajv'
import { PrismaPg } from '@prisma/adapter-pg'
import pg from 'pg'
import { expect } from 'vitest'
import type { Caller } from '../../daemon/backend/caller.ts'
import type { ActiveJob } from '../../daemon/backlog/active-job.ts'
import { QuestionWatch } from '../../daemon/backlog/question-watch.ts'
import { settledQuestions } from '../../daemon/backlog/settled-questions.ts'
import { PrismaClient } from '../../daemon/db/generated/client.ts'
import { DaemonError } from '../../daemon/errors.ts'
import { createLogger } from '../../daemon/logger.ts'
import { allTools } from '../../daemon/tools/all-tools.ts'
import { callTool } from '../../daemon/tools/call.ts'
import { catalog } from '../../daemon/tools/catalog.ts'
import type { ToolContext } from '../../daemon/tools/context.ts'
import { type TestDatabase, testDatabase } from '../support/postgres.ts'
import { seed } from '../support/seed.ts'

const run = promisify(execFile)

export type Json = Record<string, unknown>

export interface CallOptions {
  readonly signal?: AbortSignal
  readonly progress?: (message: string) => void
  readonly context?: Partial<ToolContext>
}

/** A caller's view of the tools: what a session with that user's token could do. */
export interface Agent {
  readonly caller: Caller
  /** The raw result, checked against the tool's published output schema. */
  call(name: string, args?: unknown, options?: CallOptions): Promise<CallToolResult>
  /** `structuredContent` of a call that must succeed. */
  ok(name: string, args?: unknown, options?: CallOptions): Promise<Json>
  /** The text of a call that must fail. */
  fails(name: string, args?: unknown, options?: CallOptions): Promise<string>
}

export interface Workbench {
  readonly db: TestDatabase
  readonly prisma: PrismaClient
  readonly questions: QuestionWatch
  /** Lines of the log. */
  readonly log: string[]
  /** Number of `settled` polls so far. */
  readonly polls: { count: number }
  readonly missingTables: Set<string>
  readonly activeJobs: Map<string, ActiveJob>
  readonly repoRoots: Map<string, string>
  agent(row?: Json): Promise<Agent>
  agentOf(caller: Caller): Agent
  /** Hears every notification on the channel; returns how to stop. */
  listen(on: (change: Json) => void): () => void
  close(): Promise<void>
}

/** The tools over a real database, as the daemon wires them. */
export async function workbench(options: { pollMs?: number; db?: TestDatabase } = {}): Promise<Workbench> {
  const db = options.db ?? (await testDatabase())
  const pool = new pg.Pool({ connectionString: db.url, max: 3 })
  pool.on('error', () => undefined)
  const prisma = new PrismaClient({
    adapter: new PrismaPg(pool),
    transactionOptions: { maxWait: 8_000, timeout: 9_000 },
  })
  const listener = new pg.Client({ connectionString: db.url })
  listener.on('error', () => undefined)
  await listener.connect()
  await listener.query('listen scrum4me_changes')
  const polls = { count: 0 }
  const listen = (heard: (change: Json) => void) => {
    const on = (message: pg.Notification) => heard(JSON.parse(message.payload ?? '{}'))
    listener.on('notification', on)
    return () => {
      listener.off('notification', on)
    }
  }
  const questions = new QuestionWatch({
    changes: { subscribe: listen },
    settled: (ids) => {
      polls.count += 1
      return settledQuestions(prisma, ids)
    },
    ...(options.pollMs === undefined ? {} : { pollMs: options.pollMs }),
  })
  const log: string[] = []
  const bench = {
    ...{ db, prisma, questions, log, polls, listen },
    missingTables: new Set<string>(),
    activeJobs: new Map<string, ActiveJob>(),
    repoRoots: new Map<string, string>(),
  }
  const agentOf = (caller: Caller): Agent => makeAgent(bench, caller)
  return {
    ...bench,
    agentOf,
    agent: async (row = {}) => {
      const user = await seed.user(db, row)
      const token = await seed.token(db, { user_id: user.id })
      return agentOf({ userId: String(user.id), tokenId: String(token.id), isDemo: row.is_demo === true })
    },
    close: async () => {
      await prisma.$disconnect()
      await pool.end()
      await listener.end()
      if (options.db === undefined) await db.drop()
    },
  }
}

type Bench = Omit<Workbench, 'agent' | 'agentOf' | 'close'>

/** What the daemon would hand to a call of this caller. */
export function contextOf(
  bench: Bench,
  { caller }: { caller: Caller },
  options: CallOptions = {},
): ToolContext {
  return {
    backlog: async () => ({ prisma: bench.prisma, caller }),
    database: async () => 'ok',
    missingTables: bench.missingTables,
    questions: bench.questions,
    activeJob: async (taskId) => bench.activeJobs.get(taskId) ?? null,
    repoRoot: async (productId) => bench.repoRoots.get(productId) ?? null,
    git: gitForTests,
    jobs: noJobs,
    signal: options.signal ?? new AbortController().signal,
    progress: options.progress ?? (() => undefined),
    log: createLogger('debug', { write: (line) => bench.log.push(line) }),
    clean: (text) => text.replaceAll('s3cret', '***'),
    ...options.context,
  }
}

function makeAgent(bench: Bench, caller: Caller): Agent {
  const call = async (name: string, args: unknown = {}, options: CallOptions = {}) => {
    const tool = allTools.find((candidate) => candidate.name === name)
    if (tool === undefined) throw new Error(`no tool ${name}`)
    const result = await callTool(tool, args, contextOf(bench, { caller }, options))
    checkShape(name, result)
    return result
  }
  return {
    caller,
    call,
    ok: async (name, args, options) => {
      const result = await call(name, args, options)
      if (result.isError) throw new Error(textOf(result))
      return result.structuredContent ?? {}
    },
    fails: async (name, args, options) => {
      const result = await call(name, args, options)
      expect(result.isError, textOf(result)).toBe(true)
      return textOf(result)
    },
  }
}

/** What the daemon's `backlog()` does with a revoked token. */
export function unauthorized(): Promise<never> {
  return Promise.reject(new DaemonError('UNAUTHORIZED', 'the API token was revoked', 'Log in again.'))
}

async function gitForTests(cwd: string, args: readonly string[]): Promise<string> {
  const flags = ['--no-optional-locks', '-c', 'core.hooksPath=/dev/null', '-c', 'core.fsmonitor=false']
  const { stdout } = await run('git', [...flags, ...args], {
    cwd,
    env: { PATH: process.env.PATH, HOME: '/nonexistent', LC_ALL: 'C', GIT_TERMINAL_PROMPT: '0' },
    maxBuffer: 16 * 1024 * 1024,
  })
  return stdout
}

const validator = new AjvJsonSchemaValidator()
const outputs = new Map(
  catalog(allTools, new Set()).tools.map((tool) => [tool.name, validator.getValidator(tool.outputSchema)]),
)

/** Contract 6: the shape of success and of failure. */
function checkShape(name: string, result: CallToolResult): void {
  expect(result.content).toHaveLength(1)
  const text = textOf(result)
  if (result.isError) {
    expect(result.structuredContent).toBeUndefined()
    expect(text).toMatch(/^[A-Z_]+: .+[.!?]( .+[.!?])?$/s)
    return
  }
  expect(text).toBe(JSON.stringify(result.structuredContent, null, 2))
  const checked = outputs.get(name)?.(result.structuredContent)
  expect(checked?.valid, `${name}: ${checked?.errorMessage}`).toBe(true)
  expect(text.length).toBeLessThan(80_000)
}

export function textOf(result: CallToolResult): string {
  const [block] = result.content
  return block?.type === 'text' ? block.text : ''
}

/** The job tools are tested through the daemon, where claims are real. */
const noJobs: ToolContext['jobs'] = {
  wait: () => Promise.reject(new Error('no dispatch here')),
  report: () => Promise.reject(new Error('no dispatch here')),
  heartbeat: () => Promise.reject(new Error('no dispatch here')),
  cleanUp: () => Promise.reject(new Error('no dispatch here')),
  status: () => Promise.reject(new Error('no dispatch here')),
}
