import { z } from 'zod'
import { id, seconds } from './arguments.ts'
import { defineTool } from './tool.ts'

const TEXT = z.string().nullable()

const OUTPUT = z.object({
  status: z.enum(['claimed', 'timeout']).describe('claimed: the job below is yours. timeout: no job came.'),
  message: z.string().optional().describe('On timeout: what to do now.'),
  next_action: z.literal('queue_empty').optional().describe('On timeout: nothing is there for this session.'),
  job_id: z.string().optional().describe('The job; name it when you report.'),
  resumed: z
    .boolean()
    .optional()
    .describe(
      'True: it was worked on before, by this session or one that vanished; look at the worktree first.',
    ),
  attempt: z
    .int()
    .optional()
    .describe('1 for the first attempt; more when earlier workers stopped renewing it.'),
  task: z
    .object({
      id: z.string().describe('For update_task_status and verify_task_against_plan.'),
      code: TEXT.describe('T-n.'),
      title: z.string().describe('Title.'),
      description: TEXT.describe('What to do.'),
      implementation_plan: TEXT.describe(
        'How to do it, as when the job was handed out; update_task_status returns it as it is now.',
      ),
      priority: z.int().describe('1 (highest) to 4.'),
    })
    .optional()
    .describe('What to implement: id, code, title, description, implementation_plan, priority.'),
  story: z
    .object({
      id: z.string().describe('For the log tools and ask_user_question.'),
      code: TEXT.describe('ST-nnn; name it in commit messages.'),
      title: z.string().describe('Title.'),
      description: TEXT.describe('What is wanted and why.'),
      acceptance_criteria: TEXT.describe('When it is done.'),
    })
    .optional()
    .describe('The story of the task, with its acceptance criteria.'),
  pbi: z
    .object({
      id: z.string().describe('For set_pbi_pr.'),
      code: TEXT.describe('PBI-n.'),
      title: z.string().describe('Title.'),
      priority: z.int().describe('1 (highest) to 4.'),
      status: z.string().describe('As the database has it.'),
    })
    .nullable()
    .optional()
    .describe('The product backlog item of the story.'),
  sprint: z
    .object({
      id: z.string().describe('Sprint id.'),
      goal: TEXT.describe('What the sprint is for.'),
      status: z.string().describe('As the database has it.'),
    })
    .nullable()
    .optional()
    .describe('The sprint of the task; null when it is in none.'),
  product: z
    .object({
      id: z.string().describe('For get_claude_context and wait_for_job.'),
      name: z.string().describe('Name.'),
      repo_url: TEXT.describe('Where its repository lives.'),
      definition_of_done: TEXT.describe('What must hold before work is done.'),
    })
    .optional()
    .describe('The product, with its definition of done.'),
  plan_snapshot: z
    .string()
    .optional()
    .describe('The implementation plan as it stood when the job was claimed; verification compares with it.'),
  worktree_path: z.string().optional().describe('Absolute path of the git worktree to work in.'),
  branch_name: z.string().optional().describe('The branch that is checked out there.'),
  base_sha: z.string().optional().describe('The commit the branch starts from.'),
  base_fetched: z
    .boolean()
    .optional()
    .describe('False: origin could not be fetched and base_sha is the last known tip; warnings say why.'),
  warnings: z.array(z.string()).optional().describe('What was not as usual about the worktree.'),
})

export const waitForJob = defineTool({
  name: 'wait_for_job',
  title: 'Wait for the next job',
  description:
    'Waits until a job is there for you, claims it and prepares a git worktree for it. Use it to start working, and again whenever update_job_status answers next_action wait_for_job_again. With status claimed, do all work in worktree_path on branch_name, then report with update_job_status; a session holds one job, so asking again returns the same one with resumed true. With status timeout nothing was there: call it again to keep listening, or stop.',
  annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: true, openWorldHint: false },
  tables: ['claude_jobs', 'tasks', 'products'],
  input: z.object({
    product_id: id('Only take jobs of this product.').optional(),
    wait_seconds: seconds(
      'How long to wait when no job is there, seconds. Left out: as long as your client lets a call run.',
      1,
      600,
    ).optional(),
  }),
  output: OUTPUT,
  async call({ product_id, wait_seconds }, { jobs, clean }) {
    const answer = OUTPUT.parse(
      await jobs.wait({ productId: product_id ?? null, waitSeconds: wait_seconds ?? null }),
    )
    const { message, warnings } = answer
    return {
      ...answer,
      ...(message === undefined ? {} : { message: clean(message) }),
      ...(warnings === undefined ? {} : { warnings: warnings.map(clean) }),
    }
  },
})
