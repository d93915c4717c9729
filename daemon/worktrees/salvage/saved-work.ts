import type { Engine } from '../engine.ts'
import { onClone, type Repository } from '../git/repository.ts'
import { SALVAGE_PREFIX } from './manifest.ts'

/** One save of a job's work. */
export interface SavedWork {
  readonly jobId: string
  /** From 1; the highest is the newest. */
  readonly n: number
  readonly ref: string
  readonly repoRoot: string
  /** The branch that was checked out; null: none was. */
  readonly branch: string | null
  /** ISO, UTC. */
  readonly savedAt: string
  /** What restores this save and no other, as words of our command line. */
  readonly restoreCommand: string
}

/** Every clone this installation has worked on and that is still there. */
export async function knownClones(engine: Engine, more: readonly string[] = []): Promise<Repository[]> {
  const roots = [
    ...(await engine.records.clones()).map((clone) => clone.repoRoot),
    ...(await engine.records.jobs()).map((job) => job.repoRoot),
    ...more,
  ]
  const found = new Map<string, Repository>()
  for (const root of new Set(roots)) {
    // A clone that was moved or deleted cannot be asked; its roots are still in the configuration.
    const repository = await engine.repositories.open(root, engine.stopping).catch(() => null)
    if (repository !== null && !found.has(repository.commonDir)) found.set(repository.commonDir, repository)
  }
  return [...found.values()]
}

/** All saves in one clone, of one job or of all; oldest first. */
export async function savedIn(engine: Engine, repository: Repository, jobId?: string): Promise<SavedWork[]> {
  const format = '%(refname) %(committerdate:unix) %(trailers:key=Scrum4me-Branch,valueonly,separator=%x2C)'
  const prefix = jobId === undefined ? SALVAGE_PREFIX : `${SALVAGE_PREFIX}${jobId}/`
  const text = await engine.git.text(
    onClone(repository, engine.stopping),
    'for-each-ref',
    `--format=${format}`,
    prefix,
  )
  const saves = text
    .split('\n')
    .flatMap((line) => {
      const match = /^(refs\/scrum4me\/salvage\/([A-Za-z0-9_-]+)\/(\d+)) (\d+) ?(.*)$/.exec(line)
      if (match === null) return []
      const [, ref = '', job = '', n = '', time = '', branch = ''] = match
      return [
        {
          jobId: job,
          n: Number(n),
          ref,
          repoRoot: repository.root,
          branch: branch === '' ? null : branch,
          savedAt: new Date(Number(time) * 1000).toISOString(),
        },
      ]
    })
    .sort((a, b) => a.jobId.localeCompare(b.jobId) || a.n - b.n)
  return saves.map((save, index) => {
    // Without a number the newest is restored.
    const number = saves[index + 1]?.jobId === save.jobId ? ` --n ${save.n}` : ''
    return { ...save, restoreCommand: `worktrees restore ${save.jobId}${number}` }
  })
}
