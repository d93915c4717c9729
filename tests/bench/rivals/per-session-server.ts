import { execFile } from 'node:child_process'
import { createHash, randomUUID } from 'node:crypto'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js'
import { PrismaPg } from '@prisma/adapter-pg'
import pg from 'pg'
import { z } from 'zod'
import { PrismaClient } from '../../../daemon/db/generated/client.ts'

/*
 * The rival: one MCP server per agent session that does the whole job in its own process, as such servers
 * are usually written: McpServer, Prisma, a LISTEN connection, a poll behind it, a heartbeat, git. It is meant
 * to be good of its kind: it answers `initialize` before it has asked the database anything, holds one
 * connection that listens as long as it lives, and claims with SKIP LOCKED.
 */

const POLL_MS = 5_000
const HEARTBEAT_MS = 5_000
const LEASE = '300 seconds'

const env = z
  .object({
    DATABASE_URL: z.string(),
    SCRUM4ME_TOKEN: z.string(),
    WORKTREE_DIR: z.string(),
    /** JSON object: product id → absolute path of the clone. */
    REPO_ROOTS: z.string(),
  })
  .parse(process.env)
const repoRoots = z.record(z.string(), z.string()).parse(JSON.parse(env.REPO_ROOTS))

const git = promisify(execFile)
const prisma = new PrismaClient({ adapter: new PrismaPg({ connectionString: env.DATABASE_URL }) })
const instanceId = randomUUID()
const held = new Map<string, { repoRoot: string; path: string; branch: string }>()

interface Caller {
  readonly userId: string
  readonly tokenId: string
}

let authenticated: Promise<Caller> | undefined
function caller(): Promise<Caller> {
  authenticated ??= authenticate()
  return authenticated
}

async function authenticate(): Promise<Caller> {
  const hash = createHash('sha256').update(env.SCRUM4ME_TOKEN).digest('hex')
  const token = await prisma.apiToken.findUniqueOrThrow({ where: { token_hash: hash } })
  const { user_id: userId, id: tokenId } = token
  await prisma.$executeRaw`
    insert into claude_workers (id, user_id, token_id, instance_id, hostname, pid)
    values (${randomUUID()}, ${userId}, ${tokenId}, ${instanceId}, ${hostname()}, ${process.pid})`
  setInterval(() => {
    beat({ userId, tokenId }).catch(() => undefined)
  }, HEARTBEAT_MS)
  return { userId, tokenId }
}

async function beat({ userId, tokenId }: Caller): Promise<void> {
  await prisma.$executeRaw`
    update claude_workers set last_seen_at = now() at time zone 'utc'
     where user_id = ${userId} and token_id = ${tokenId} and instance_id = ${instanceId}`
  if (held.size === 0) return
  await prisma.$executeRaw`
    update claude_jobs set lease_until = now() at time zone 'utc' + ${LEASE}::interval
     where worker_instance_id = ${instanceId} and status in ('CLAIMED', 'RUNNING')`
}

/** Wakes whoever waits when a job of this user may have come. */
const nudges = new Set<() => void>()
let listening: Promise<void> | undefined
function listen(userId: string): Promise<void> {
  listening ??= (async () => {
    const client = new pg.Client({ connectionString: env.DATABASE_URL })
    client.on('error', () => process.exit(1))
    client.on('notification', ({ payload }) => {
      const change = z
        .object({ type: z.string(), user_id: z.string() })
        .safeParse(JSON.parse(payload ?? '{}')).data
      if (change?.type === 'claude_job_enqueued' && change.user_id === userId)
        for (const nudge of nudges) nudge()
    })
    await client.connect()
    await client.query('listen scrum4me_changes')
  })()
  return listening
}

function nudged(ms: number): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer)
      nudges.delete(done)
      resolve()
    }
    const timer = setTimeout(done, ms)
    nudges.add(done)
  })
}

interface ClaimedRow {
  readonly id: string
  readonly product_id: string
  readonly task_id: string
}

async function claim({ userId, tokenId }: Caller): Promise<ClaimedRow | undefined> {
  const rows = await prisma.$queryRaw<ClaimedRow[]>`
    update claude_jobs set status = 'CLAIMED', claimed_by_token_id = ${tokenId}, worker_instance_id = ${instanceId},
           claimed_at = now() at time zone 'utc', lease_until = now() at time zone 'utc' + ${LEASE}::interval,
           plan_snapshot = '', updated_at = now() at time zone 'utc'
     where id = (select id from claude_jobs where user_id = ${userId} and status = 'QUEUED'
                    and product_id = any(${Object.keys(repoRoots)}) order by created_at limit 1
                    for update skip locked)
    returning id, product_id, task_id`
  return rows[0]
}

async function prepare(job: ClaimedRow) {
  const repoRoot = repoRoots[job.product_id] ?? ''
  const path = join(env.WORKTREE_DIR, job.id)
  const branch = `feat/job-${job.id.slice(-8)}`
  await git('git', ['fetch', '--quiet', 'origin'], { cwd: repoRoot })
  await git('git', ['worktree', 'add', '--quiet', '-b', branch, path, 'origin/main'], { cwd: repoRoot })
  const { stdout } = await git('git', ['rev-parse', 'HEAD'], { cwd: path })
  const base_sha = stdout.trim()
  await prisma.claudeJob.update({ where: { id: job.id }, data: { branch, base_sha, updated_at: new Date() } })
  held.set(job.id, { repoRoot, path, branch })
  const task = await prisma.task.findUniqueOrThrow({
    where: { id: job.task_id },
    include: { story: { include: { pbi: true } }, product: true },
  })
  return { worktree_path: path, branch_name: branch, base_sha, task }
}

const server = new McpServer({ name: 'per-session-server', version: '1.0.0' })

function answer(content: Record<string, unknown>) {
  return {
    content: [{ type: 'text' as const, text: JSON.stringify(content, null, 2) }],
    structuredContent: content,
  }
}

server.registerTool(
  'health',
  {
    title: 'Health of the server',
    description: 'Says whether the server runs and whether its database answers.',
    inputSchema: {},
    outputSchema: { status: z.string(), version: z.string(), time: z.string(), database: z.string() },
  },
  async () => {
    await prisma.$queryRaw`select 1`
    return answer({ status: 'ok', version: '1.0.0', time: new Date().toISOString(), database: 'ok' })
  },
)

server.registerPrompt(
  'implement_next_story',
  {
    title: 'Implement the next story',
    description: 'How to implement it.',
    argsSchema: { product_id: z.string() },
  },
  ({ product_id }) => ({
    messages: [
      { role: 'user', content: { type: 'text', text: `Implement the next story of ${product_id}.` } },
    ],
  }),
)

server.registerTool(
  'wait_for_job',
  {
    title: 'Wait for the next job',
    description: 'Waits until a job is there, claims it and prepares a git worktree for it.',
    inputSchema: { wait_seconds: z.number().int().min(1).max(600).optional() },
    outputSchema: {
      status: z.string(),
      job_id: z.string().optional(),
      worktree_path: z.string().optional(),
      branch_name: z.string().optional(),
      base_sha: z.string().optional(),
      task: z.record(z.string(), z.unknown()).optional(),
    },
  },
  async ({ wait_seconds = 50 }, extra) => {
    const who = await caller()
    await listen(who.userId)
    const end = Date.now() + wait_seconds * 1000
    while (Date.now() < end && !extra.signal.aborted) {
      const wake = nudged(Math.min(POLL_MS, end - Date.now()))
      const job = await claim(who)
      if (job !== undefined) return answer({ status: 'claimed', job_id: job.id, ...(await prepare(job)) })
      await wake
    }
    return answer({ status: 'timeout' })
  },
)

server.registerTool(
  'update_job_status',
  {
    title: 'Report on a job',
    description: 'Reports how a job ended and removes its worktree.',
    inputSchema: { job_id: z.string(), status: z.enum(['done', 'failed', 'skipped']) },
    outputSchema: { job_id: z.string(), status: z.string() },
  },
  async ({ job_id, status }) => {
    const job = held.get(job_id)
    const updated = await prisma.claudeJob.updateMany({
      where: { id: job_id, worker_instance_id: instanceId, status: { in: ['CLAIMED', 'RUNNING'] } },
      data: {
        status: status === 'done' ? 'DONE' : status === 'failed' ? 'FAILED' : 'SKIPPED',
        finished_at: new Date(),
        updated_at: new Date(),
      },
    })
    if (updated.count === 0 || job === undefined) throw new Error('This job is not held here.')
    held.delete(job_id)
    await git('git', ['worktree', 'remove', '--force', job.path], { cwd: job.repoRoot })
    await git('git', ['branch', '-D', job.branch], { cwd: job.repoRoot })
    return answer({ job_id, status })
  },
)

process.stdin.on('end', () => process.exit(0))
await server.connect(new StdioServerTransport())
