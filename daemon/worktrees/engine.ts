import type { KeyQueue } from '../lock/key-queue.ts'
import type { RepoLock } from '../lock/repo-lock.ts'
import type { Logger } from '../logger.ts'
import type { Disk } from './disk.ts'
import type { BaseFinder } from './git/base.ts'
import type { Git } from './git/git.ts'
import type { KnownRepositories } from './git/known-repositories.ts'
import type { Layout } from './layout.ts'
import type { Records } from './records.ts'
import type { Trash } from './trash.ts'

/** What the steps of this part share: built once by `Worktrees`, passed to each. */
export interface Engine {
  readonly instanceId: string
  readonly minFreeDiskBytes: number
  readonly salvageMaxBytes: number
  readonly logger: Logger
  readonly git: Git
  /** One writer per clone. Taken after the job's turn, never before it. */
  readonly lock: RepoLock
  /** One piece of work per job at a time; key: job id. */
  readonly turns: KeyQueue
  readonly layout: Layout
  readonly records: Records
  readonly trash: Trash
  readonly disk: Disk
  readonly bases: BaseFinder
  readonly repositories: KnownRepositories
  /** The minimal environment of children that are not git. */
  readonly childEnv: Readonly<Record<string, string>>
  /** The user's own. */
  readonly umask: number
  /** Aborts when the engine stops. */
  readonly stopping: AbortSignal
  readonly now: () => Date
}
