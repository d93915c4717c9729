import { z } from 'zod'

/** `manifest.json` in the state tree of a save: what restoring needs to know. Paths are byte paths (latin1). */
export const MANIFEST = z.object({
  version: z.literal(1),
  job: z.string(),
  /** The branch create made. */
  jobBranch: z.string(),
  head: z.string().nullable(),
  /** Where HEAD was; null: detached. */
  branch: z.string().nullable(),
  baseSha: z.string().nullable(),
  /** Where the worktree and its administrative directory were; submodules point from one to the other. */
  path: z.string().nullable(),
  adminDir: z.string(),
  /** Tips of commits that were nowhere else, HEAD's included. */
  commits: z.array(z.string()),
  stashes: z.array(z.object({ id: z.string(), message: z.string() })),
  /** Paths that were stored from disk as their bytes were; every other file comes back by a checkout. */
  raw: z.array(z.string()),
  /** Skip-worktree paths that were on disk. */
  skippedButThere: z.array(z.string()),
  /** FIFOs, sockets, devices: not saved. */
  special: z.array(z.string()),
  bundles: z.array(
    z.object({ kind: z.enum(['nested', 'submodule', 'modules']), path: z.string(), name: z.string() }),
  ),
  /** Submodules that stood at another commit than recorded. */
  movedSubmodules: z.array(z.string()),
})

export type Manifest = z.infer<typeof MANIFEST>

/**
 * A save is one commit: its tree is the work tree; its parents are HEAD (if there was one), the index, and the
 * state. The state's tree holds the manifest, the index file, state files and bundles; its parents are all
 * other commits to keep. Job and branch are trailers of the message too, so that listing needs no other object.
 */
export const SALVAGE_PREFIX = 'refs/scrum4me/salvage/'

export function salvageRef(jobId: string, n: number): string {
  return `${SALVAGE_PREFIX}${jobId}/${n}`
}

export function saveMessage(jobId: string, branch: string | null): string {
  return [
    `Work of job ${jobId}`,
    '',
    'Saved by scrum4me-daemon before the worktree was removed. To have it back:',
    `  scrum4me-daemon worktrees restore ${jobId}`,
    '',
    `Scrum4me-Job: ${jobId}`,
    ...(branch === null ? [] : [`Scrum4me-Branch: ${branch}`]),
    '',
  ].join('\n')
}
