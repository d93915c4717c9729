import { readlink } from 'node:fs/promises'
import { type BytePath, below } from './bytes.ts'
import type { ObjectWriter, TreeEntry } from './object-writer.ts'
import type { DiskEntry } from './survey.ts'
import type { WorktreeGit } from './worktree-git.ts'

/** Stores files and symlinks as their bytes are on disk; what is missing or special is left out. */
export async function storeEntries(
  git: WorktreeGit,
  writer: ObjectWriter,
  entries: readonly DiskEntry[],
): Promise<TreeEntry[]> {
  const files = entries.filter((entry) => entry.kind === 'file')
  const links = entries.filter((entry) => entry.kind === 'symlink')
  const root = git.place.path ?? ''
  const targets: Buffer[] = []
  for (const link of links) targets.push(await readlink(below(root, link.path), 'buffer'))
  const fileIds = await writer.files(files.map(({ path }) => path))
  const linkIds = await writer.blobs(targets)
  const entry = (mode: string, id: string | undefined, path: BytePath): TreeEntry => ({
    mode,
    id: id ?? '',
    path,
  })
  return [
    ...files.map((file, at) => entry(file.executable ? '100755' : '100644', fileIds[at], file.path)),
    ...links.map((link, at) => entry('120000', linkIds[at], link.path)),
  ]
}
