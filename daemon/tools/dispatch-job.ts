import { z } from 'zod'
import { dispatchJob as dispatch } from '../backlog/dispatch-job.ts'
import { id } from './arguments.ts'
import { defineTool } from './tool.ts'

export const dispatchJob = defineTool({
  name: 'dispatch_job',
  title: 'Queue a job for a task',
  description:
    'Queues a job in your name for one task, so that an agent waiting in wait_for_job gets it. Use it after planning a task that should be implemented now. A task with a job that is queued, claimed or running is refused with CONFLICT.',
  annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: false, openWorldHint: false },
  tables: ['claude_jobs', 'tasks', 'products', 'product_members'],
  input: z.object({
    task_id: id('The task to implement: its id, not its code.'),
  }),
  output: z.object({
    job_id: z.string().describe('The new job.'),
    status: z.literal('queued').describe('Always queued: agents have been notified.'),
  }),
  async call({ task_id }, context) {
    const { jobId } = await dispatch(await context.backlog(), task_id)
    return { job_id: jobId, status: 'queued' as const }
  },
})
