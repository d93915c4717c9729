import type { Workspace } from './workspace.ts'

/** What an agent may leave behind in its worktree. */
export interface State {
  readonly name: string
  make(space: Workspace, path: string): Promise<void>
  /** Its work is saved once before, and goes on in this way. */
  again?(space: Workspace, path: string): Promise<void>
  /** False: nothing in it is only here. */
  readonly saves: boolean
  /** Left out of the comparison of files. */
  readonly leaveOut?: RegExp
  /** `git status` after the restore differs by nature (a rebase is not taken up again). */
  readonly statusDiffers?: boolean
}
