import { z } from 'zod'
import { verifyTask } from '../backlog/verify/verify-task.ts'
import { id, text } from './arguments.ts'
import { omit, omitted } from './omitted.ts'
import { defineTool } from './tool.ts'
import { whileWaiting } from './while-waiting.ts'

export const verifyTaskAgainstPlan = defineTool({
  name: 'verify_task_against_plan',
  title: 'Verify the work on a task against its plan',
  description:
    'Compares what was done in the worktree of the job, committed or not, with the plan as it was when the job was claimed and with the acceptance criteria of the story, and stores the result on the job. Call it before update_job_status with done, and mend what report names. It compares files and words and runs nothing: result and criteria are evidence, and report says what it cannot judge.',
  annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: true, openWorldHint: false },
  tables: ['tasks', 'stories', 'story_logs', 'claude_jobs', 'products', 'product_members'],
  input: z.object({
    task_id: id('The task.'),
    worktree_path: text(
      "Absolute path to look at instead: in the worktree of the job or in the product's clone on this machine.",
      { max: 4_096 },
    ).optional(),
  }),
  output: z.object({
    result: z
      .enum(['aligned', 'partial', 'empty', 'divergent'])
      .describe(
        'aligned: what the plan names was done. partial: some of it. divergent: something else. empty: nothing.',
      ),
    reasoning: z.string().describe('Why, in a sentence or two.'),
    report: z.string().describe('The whole verification to read, markdown.'),
    plan_edited: z.boolean().describe('The plan of the task has changed since the job was claimed.'),
    criteria: z
      .array(
        z.object({
          text: z.string().describe('The acceptance criterion.'),
          met: z
            .boolean()
            .nullable()
            .describe('true: evidence was found. false: what it names is not there. null: cannot be judged.'),
          evidence: z.string().describe('What was found and where, or what was not.'),
        }),
      )
      .describe('The acceptance criteria of the story.'),
    commits: z
      .array(
        z.object({
          sha: z.string().describe('Commit hash.'),
          subject: z.string().describe('First line of its message.'),
        }),
      )
      .describe('Commits since the base commit, newest first, 50 at most.'),
    files_changed: z.int().describe('Number of files changed since the base commit, committed or not.'),
    drift_score: z
      .number()
      .describe(
        '0: exactly what the plan names was touched. 1: nothing of it. In between: how much differs.',
      ),
    omitted,
  }),
  async call({ task_id, worktree_path }, context) {
    const backlog = await context.backlog()
    const { judgement, criteria, work, planEdited, report } = await whileWaiting(
      context,
      'Comparing the work with the plan',
      () => verifyTask(backlog, context, task_id, worktree_path),
    )
    return {
      result: judgement.result,
      reasoning: judgement.reasoning,
      report,
      plan_edited: planEdited,
      criteria: [...criteria],
      commits: [...work.commits],
      files_changed: work.files.length,
      drift_score: judgement.driftScore,
      ...omit(work.commitCount - work.commits.length, 'git log shows the older commits.'),
    }
  },
})
