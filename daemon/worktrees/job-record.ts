import { z } from 'zod'

/**
 * What the engine remembers of one job's worktree, written before git changes anything.
 *
 * creating → ready → removing → saved → (no record); creating → (no record), removing → ready
 *
 * `creating`: create runs, or failed or was cut off; nobody was given the worktree, so it is undone.
 * `ready`: handed out. `removal` set: asked to go, waits until the last process has left it.
 * `removing`: saved, and the directory is renamed into the trash or about to be; back to `ready` when
 * something was written meanwhile, and after a crash.
 * `saved`: nothing in the trash is worth keeping; registration and branch are still to go.
 * create (`settle.ts`) makes a record `ready`, `undo.ts` takes one back. Only `remove.ts` moves one past `ready`;
 * reconciliation, tidying and deferred removals call it to finish what was begun.
 */
export const JOB_RECORD = z.object({
  jobId: z.string(),
  /** The installation that made it; another one's in a home that was copied. Not in records of earlier versions. */
  instanceId: z.string().optional(),
  phase: z.enum(['creating', 'ready', 'removing', 'saved']),
  repoRoot: z.string(),
  /** Real path of the clone's common git directory. */
  commonDir: z.string(),
  /** Real path of the worktree. */
  path: z.string(),
  /** Made by create; deleted only together with the job. */
  branch: z.string(),
  /** Null when it is not known any more (records lost, worktree found again). */
  baseSha: z.string().nullable(),
  /** While `creating`: origin had something new, and the branch is at `baseSha` or already here. */
  movedTo: z.string().optional(),
  /** It was a spare before, in which somebody may have worked. */
  fromSpare: z.boolean().optional(),
  baseFetched: z.boolean(),
  warnings: z.array(z.string()),
  sshAuthSock: z.string().nullable().optional(),
  /** ISO, UTC. */
  createdAt: z.string(),
  removal: z
    .object({
      branch: z.enum(['keep', 'delete']),
      reportedBranch: z.string().optional(),
      requestedAt: z.string(),
      reason: z.string(),
    })
    .nullable(),
  /** Why it could not be removed the last time. */
  keptReason: z.string().nullable(),
  /** Where the directory was renamed to, in `removing` and `saved`. */
  trashPath: z.string().nullable(),
  /** The tip of the branch that was saved, in `saved`. */
  savedTip: z.string().nullable(),
  /** Untracked files that the preparation put there, with their stat data then: no work, as long as they are the same. */
  prepared: z.record(z.string(), z.string()).optional(),
})

export type JobRecord = z.infer<typeof JOB_RECORD>
