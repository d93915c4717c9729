import { lstat, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { BytePath } from './bytes.ts'

/** Not state: git's own plumbing, what is saved otherwise, and what another clone or machine would not want. */
const LEFT_OUT =
  /^(index|sharedindex\..*|gitdir|commondir|locked|locked\.new|modules|objects|hooks|config|config\.worktree|info|FETCH_HEAD|scrum4me-.*)$/
const SMALL_BYTES = 1 << 20
/** What was begun and not ended: a patch that is being applied may be nowhere else, however large it is. */
const UNFINISHED = /^(rebase-apply|rebase-merge|sequencer)\//

export interface StateFile {
  /** Below the worktree's administrative directory. */
  readonly path: BytePath
  readonly content: Buffer
}

/**
 * The files that say what was going on: an unfinished merge, rebase, cherry-pick or bisect, ORIG_HEAD,
 * per-worktree refs, the reflog of HEAD. Large ones only where they are work; throws when these are more than `maxBytes`.
 */
export async function stateFiles(adminDir: string, maxBytes: number): Promise<StateFile[]> {
  const found: StateFile[] = []
  let large = 0
  const walk = async (relative: string): Promise<void> => {
    for (const entry of await readdir(join(adminDir, relative), { withFileTypes: true })) {
      const path = join(relative, entry.name)
      if ((relative === '' && LEFT_OUT.test(entry.name)) || entry.name.endsWith('.lock')) continue
      if (entry.isDirectory()) await walk(path)
      else if (entry.isFile()) {
        const { size } = await lstat(join(adminDir, path))
        if (size > SMALL_BYTES && !UNFINISHED.test(path)) continue
        if (size > SMALL_BYTES) large += size
        if (large > maxBytes) throw new Error(`${path} and the like are more than ${maxBytes} bytes`)
        const content = await readFile(join(adminDir, path))
        found.push({ path: Buffer.from(path).toString('latin1'), content })
      }
    }
  }
  await walk('')
  return found
}

/** Bytes of the large ones, which count as work that is saved. */
export function largeBytes(files: readonly StateFile[]): number {
  return files.reduce((sum, { content }) => sum + (content.length > SMALL_BYTES ? content.length : 0), 0)
}

/** Every object id that the small files mention, the reflog's apart (those are judged as commits of their own). */
export function mentionedIds(files: readonly StateFile[]): string[] {
  const ids = files
    .filter((file) => file.path !== 'logs/HEAD' && file.content.length <= SMALL_BYTES)
    .flatMap((file) => file.content.toString('latin1').match(/\b(?:[0-9a-f]{64}|[0-9a-f]{40})\b/g) ?? [])
  return [...new Set(ids)]
}

/** Something was begun and not ended: the state itself is work. */
export function isInterrupted(files: readonly StateFile[]): boolean {
  return files.some((file) =>
    /^(MERGE_HEAD|CHERRY_PICK_HEAD|REVERT_HEAD|rebase-merge\/|rebase-apply\/|sequencer\/|BISECT_LOG)/.test(
      file.path,
    ),
  )
}
