import { setImmediate as nextTurn } from 'node:timers/promises'
import { z } from 'zod'
import { DaemonError, messageOf, notFound } from '../../errors.ts'
import { requireTask } from '../access.ts'
import type { ActiveJob } from '../active-job.ts'
import type { Backlog } from '../backlog.ts'
import { rowsOf } from '../rows.ts'
import { chooseDirectory } from './choose-directory.ts'
import { type Criterion, judgeCriterion, splitCriteria } from './criteria.ts'
import { findBase } from './find-base.ts'
import type { Git } from './git.ts'
import { type Judgement, judge } from './judge.ts'
import { planPaths } from './plan-paths.ts'
import { renderReport } from './render-report.ts'
import { readWork, type Work } from './work.ts'

export interface Verification {
  readonly judgement: Judgement
  readonly criteria: readonly Criterion[]
  readonly work: Work
  readonly planEdited: boolean
  /** Markdown. */
  readonly report: string
}

export interface VerifyServices {
  readonly git: Git
  activeJob(taskId: string): Promise<ActiveJob | null>
  repoRoot(productId: string): Promise<string | null>
}

const LIMITS = [
  'Whether the code is right: files and words are compared, nothing is run or understood.',
  'What the plan says about a file, beyond that it was touched.',
]

/**
 * Compares a task's plan with the work. With a job held here: its frozen plan, its base commit, its worktree, and
 * the result is stored on it; else the task's plan as it is now and the product's clone.
 */
export async function verifyTask(
  backlog: Backlog,
  services: VerifyServices,
  taskId: string,
  worktreePath: string | undefined,
): Promise<Verification> {
  const { productId, storyId } = await requireTask(backlog, taskId)
  const job = await services.activeJob(taskId)
  const clone = await services.repoRoot(productId)
  const directory = await chooseDirectory(worktreePath, job?.worktreePath, clone ?? undefined)
  const task = await readTexts(backlog, taskId)
  const git: Git = (cwd, args) => services.git(cwd, args)
  const work = await readDirectory(git, directory, job?.baseSha)
  const plan = job?.planSnapshot ?? task.implementation_plan ?? ''
  const evidence = { work, testStatus: await newestTestStatus(backlog, storyId) }
  const criteria: Criterion[] = []
  for (const text of splitCriteria(task.acceptance_criteria ?? '')) {
    criteria.push(judgeCriterion(text, evidence))
    // Searching takes time; heartbeats of the daemon come first.
    await nextTurn()
  }
  const judgement = judge(planPaths(plan), work, criteria)
  const planEdited = normal(plan) !== normal(task.implementation_plan ?? '')
  if (job !== null && !backlog.caller.isDemo) await store(backlog, job, judgement)
  const report = renderReport({
    ...{ code: task.code, judgement, criteria, work, planEdited },
    planSource: job === null ? 'as it is now; no job is held here' : 'as it was when the job was claimed',
    limits:
      plan.trim() === '' ? ['Whether this was the work meant: the task has no plan.', ...LIMITS] : LIMITS,
  })
  return { judgement, criteria, work, planEdited, report }
}

const textsSchema = z.object({
  code: z.string(),
  implementation_plan: z.string().nullable(),
  acceptance_criteria: z.string().nullable(),
})

async function readTexts({ prisma }: Backlog, taskId: string): Promise<z.output<typeof textsSchema>> {
  const row = await prisma.task.findUnique({
    where: { id: taskId },
    select: { code: true, implementation_plan: true, story: { select: { acceptance_criteria: true } } },
  })
  if (row === null) throw notFound('Task', taskId)
  return { ...row, acceptance_criteria: row.story.acceptance_criteria }
}

async function readDirectory(git: Git, directory: string, jobBase: string | undefined): Promise<Work> {
  try {
    return await readWork(git, directory, await findBase(git, directory, jobBase))
  } catch (error) {
    if (error instanceof DaemonError) throw error
    throw new DaemonError(
      'WORKTREE_FAILED',
      `git could not read the work in ${directory}: ${messageOf(error).slice(0, 500)}`,
      'Nothing was changed. See that the directory is a git worktree with at least one commit.',
      error,
    )
  }
}

const statusSchema = z.object({ status: z.string().nullable() })

async function newestTestStatus({ prisma }: Backlog, storyId: string): Promise<string | null> {
  const [row] = rowsOf(
    statusSchema,
    await prisma.$queryRaw`
      select status::text from story_logs where story_id = ${storyId} and type = 'TEST_RESULT'
      order by created_at desc, id desc limit 1`,
  )
  return row?.status ?? null
}

/** Conditional on the claim's identity (contract 4), compared by the database. */
async function store({ prisma, caller }: Backlog, job: ActiveJob, judgement: Judgement): Promise<void> {
  const stored = await prisma.$executeRaw`
    update claude_jobs set verify_result = ${judgement.result.toUpperCase()}::text::"VerifyResult",
      updated_at = now() at time zone 'utc'
    where id = ${job.jobId} and claimed_by_token_id = ${caller.tokenId}
      and worker_instance_id = ${job.instanceId} and claimed_at = ${job.claimedAt}::text::timestamp(3)
      and status in ('CLAIMED', 'RUNNING')`
  if (stored > 0) return
  throw new DaemonError(
    'OWNERSHIP_LOST',
    `the work is ${judgement.result}, but job ${job.jobId} is no longer yours, so the result was not stored`,
    'Stop working on it and call wait_for_job.',
  )
}

function normal(text: string): string {
  return text.replaceAll('\r\n', '\n').trim()
}
