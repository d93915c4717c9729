/** Preparation of a new worktree, from the user's own agent config only, never from the repository. */
export interface PreparePlan {
  /** Paths relative to the clone to copy into the worktree (`.env`). */
  readonly copy: readonly string[]
  /** Paths relative to the clone to link into the worktree (`node_modules`). */
  readonly link: readonly string[]
  /** Argument vector of one command, run in the worktree; null: none. */
  readonly command: readonly string[] | null
  readonly timeoutSeconds: number
}
