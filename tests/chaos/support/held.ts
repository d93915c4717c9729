import type { CallResult } from './raw-agent.ts'

/** What `wait_for_job` gave a session. */
export interface Held {
  readonly job: string
  readonly claim: string
  readonly path: string
  readonly branch: string
  readonly resumed: boolean
}

export function toHeld(content: Readonly<Record<string, unknown>>): Held | undefined {
  if (content.status !== 'claimed') return undefined
  return {
    job: String(content.job_id),
    claim: String(content.plan_snapshot),
    path: String(content.worktree_path),
    branch: String(content.branch_name),
    resumed: content.resumed === true,
  }
}

/** `counted`, `spooled`, `cut`, or the error's code. */
export function answerOf(result: CallResult): string {
  switch (result.kind) {
    case 'ok':
      return result.content.delivered === true ? 'counted' : 'spooled'
    case 'failed':
      return result.code
    default:
      return 'cut'
  }
}
