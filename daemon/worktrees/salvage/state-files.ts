import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { BytePath } from './bytes.ts'

/** Not state: git's own plumbing, what is saved otherwise, and what another clone or machine would not want. */
const LEFT_OUT =
  /^(index|sharedindex\..*|gitdir|commondir|locked|locked\.new|modules|objects|hooks|config|config\.worktree|info|FETCH_HEAD|scrum4me-.*)$/
const MAX_FILE_BYTES = 1 << 20

export interface StateFile {
  /** Below the worktree's administrative directory. */
  readonly path: BytePath
  readonly content: Buffer
}

/**
 * The small files that say what was going on: an unfinished merge, rebase, cherry-pick or bisect, ORIG_HEAD,
 * per-worktree refs, the reflog of HEAD.
 */
export async function stateFiles(adminDir: string): Promise<StateFile[]> {
  const found: StateFile[] = []
  const walk = async (relative: string): Promise<void> => {
    for (const entry of await readdir(join(adminDir, relative), { withFileTypes: true })) {
      const path = join(relative, entry.name)
      if ((relative === '' && LEFT_OUT.test(entry.name)) || entry.name.endsWith('.lock')) continue
      if (entry.isDirectory()) await walk(path)
      else if (entry.isFile()) {
        const content = await readFile(join(adminDir, path))
        if (content.length <= MAX_FILE_BYTES) {
          found.push({ path: Buffer.from(path).toString('latin1'), content })
        }
      }
    }
  }
  await walk('')
  return found
}

/** Every object id that the files mention, the reflog's apart (those are judged as commits of their own). */
export function mentionedIds(files: readonly StateFile[]): string[] {
  const ids = files
    .filter((file) => file.path !== 'logs/HEAD')
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
