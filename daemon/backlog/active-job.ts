/** A job held on this machine, as verification needs it. */
export interface ActiveJob {
  readonly jobId: string
  /** Absolute path of the job's worktree here. */
  readonly worktreePath: string
  /** Commit the worktree was made from. */
  readonly baseSha: string
  /** The plan as it stood when the job was claimed; `''` when the task had none. */
  readonly planSnapshot: string
  /** With the token: the claim's identity (contract 4); every write is conditional on it. */
  readonly instanceId: string
  /** `claimed_at` as PostgreSQL prints it: compared by the database, never parsed. */
  readonly claimedAt: string
}
