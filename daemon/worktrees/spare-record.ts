import { z } from 'zod'

/**
 * A worktree kept ready for the next job of a clone.
 *
 * making → ready → (taken: no record, it is a job's worktree now); any → (discarded: no record)
 *
 * `making`: being checked out, or cut off while it was; discarded when that fails, or at the next start. Only `Spares`
 * and its `make-spare.ts` move it.
 */
export const SPARE_RECORD = z.object({
  name: z.string(),
  phase: z.enum(['making', 'ready']),
  repoRoot: z.string(),
  commonDir: z.string(),
  /** Real path. */
  path: z.string(),
  sha: z.string(),
  /** Of the settings that decide what a checkout looks like. */
  settings: z.string(),
  /** On disk; null while making. */
  bytes: z.number().nullable(),
  /** ISO, UTC: the last job of the clone. */
  wantedAt: z.string(),
})

export type SpareRecord = z.infer<typeof SPARE_RECORD>
