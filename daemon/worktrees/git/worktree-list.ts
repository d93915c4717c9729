export interface ListedWorktree {
  readonly path: string
  readonly head: string | null
  /** Short name; null when detached or bare. */
  readonly branch: string | null
  readonly bare: boolean
  /** Null: not locked; empty: locked without a reason. */
  readonly lockReason: string | null
  /** git would prune it: its directory is gone. */
  readonly prunable: boolean
}

/** Parses `git worktree list --porcelain -z`; the main worktree comes first. */
export function parseWorktreeList(output: string): ListedWorktree[] {
  return output
    .split('\0\0')
    .filter((block) => block !== '')
    .map((block) => {
      const fields = new Map(
        block.split('\0').map((line): [string, string] => {
          const space = line.indexOf(' ')
          return space < 0 ? [line, ''] : [line.slice(0, space), line.slice(space + 1)]
        }),
      )
      return {
        path: fields.get('worktree') ?? '',
        head: fields.get('HEAD') ?? null,
        branch: fields.get('branch')?.replace(/^refs\/heads\//, '') ?? null,
        bare: fields.has('bare'),
        lockReason: fields.get('locked') ?? null,
        prunable: fields.has('prunable'),
      }
    })
}
