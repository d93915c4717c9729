import { VERSION } from '../version.ts'

/** What `initialize` answers, the same from the daemon and from a shim without one. */
export const SERVER_INFO = { name: 'scrum4me', title: 'Scrum4Me', version: VERSION } as const

export const SERVER_CAPABILITIES = {
  tools: { listChanged: true },
  prompts: { listChanged: true },
  logging: {},
} as const

export const SERVER_INSTRUCTIONS = `Scrum4Me gives you work and takes your reports.
To work as an agent: call wait_for_job, work in the worktree_path it returns, commit there, log with log_implementation, log_test_result and log_commit, check with verify_task_against_plan, then call update_job_status; its next_action says whether to wait for another job.
To work on a product without the queue: list_products, then get_claude_context.
Arguments that end in _id take the id that these tools answer with, not a code such as T-12.`
