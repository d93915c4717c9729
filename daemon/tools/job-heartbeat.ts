import { z } from 'zod'
import { id } from './arguments.ts'
import { defineTool } from './tool.ts'

export const jobHeartbeat = defineTool({
  name: 'job_heartbeat',
  title: 'Say that a job is still being worked on',
  description:
    'Confirms that you still hold a job and says until when its lease runs. The daemon renews the lease by itself, so calling it is never necessary; it fails with OWNERSHIP_LOST or JOB_CANCELLED when you should stop working on the job.',
  annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: true, openWorldHint: false },
  tables: ['claude_jobs'],
  input: z.object({ job_id: id('The job you hold.') }),
  output: z.object({
    ok: z.literal(true).describe('The job is yours.'),
    job_id: z.string().describe('The job.'),
    lease_until: z.string().nullable().describe('End of the lease as last renewed, UTC.'),
  }),
  async call({ job_id }, { jobs }) {
    const { jobId, leaseUntil } = await jobs.heartbeat(job_id)
    return { ok: true as const, job_id: jobId, lease_until: leaseUntil }
  },
})
